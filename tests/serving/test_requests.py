"""Options of a MONAI Label request are checked, act, and are never more than data."""

import json

import nibabel as nib
import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from bundle.configuration import load_config
from bundle.errors import CaseError, SetupError, UserError
from bundle.names.file_names import find_images
from bundle.serving.requests import MAP_SETS, AnswerRequestd, TakeRequestd
from bundle.tasks.default import DEFAULT_TASK
from bundle.weights.checkpoints import file_sha256, sidecar
from tests.other_task import LESIONS
from tests.outputs.test_map_writer import AFFINE, make_case

CHOICES = {
    "overlap": 0.5,
    "label_numbering": ["brats2023", "brats2021", "msd"],
    "maps": ["none", "entropy", "all"],
}


@pytest.fixture
def checkpoint(tmp_path):
    path = tmp_path / "model.pt"
    path.write_bytes(b"weights")
    sidecar(path).write_text(f"{file_sha256(path)}  model.pt\n")
    return path


def taken(checkpoint="model.pt", **options):
    case = {"case_id": "case7", "image": MetaTensor(torch.zeros(4, 2, 2, 2)), **options}
    return TakeRequestd(checkpoint)(case)


def answered(checkpoint, maps_dir=None, **options):
    case = make_case(("t1c", "t2f"))
    case["pred"] = MetaTensor(case["pred"], affine=torch.from_numpy(AFFINE))
    return AnswerRequestd(checkpoint, maps_dir, {"amp": False, "overlap": 0.5})({**case, **options})


def test_a_case_without_a_request_passes_both_unchanged(checkpoint, tmp_path):
    case = make_case()
    assert AnswerRequestd(checkpoint, tmp_path / "maps")(case) == case
    assert "overlap" not in taken()["image"].meta
    assert not (tmp_path / "maps").exists()


def test_what_a_client_did_not_choose_is_the_first_choice():
    case = taken(**CHOICES)
    assert (case["label_numbering"], case["maps"]) == ("brats2023", "none")
    assert case["image"].meta["overlap"] == 0.5


@pytest.mark.parametrize("request_", [{"model": "simmlm"}, {"maps": "none"}], ids=str)
def test_a_request_that_says_no_numbering_gets_that_of_the_project_and_is_told_so(
    checkpoint, request_
):
    case = taken(**request_)
    assert (case["label_numbering"], case["maps"]) == ("brats2023", "none")
    assert "overlap" not in case
    options = {key: case[key] for key in ("label_numbering", "maps")}
    assert answered(checkpoint, **options)["result"]["labels"]["convention"] == "brats2023"


def test_maps_without_a_numbering_are_kept(checkpoint, tmp_path):
    case = taken(maps="entropy")
    answered(
        checkpoint, tmp_path / "maps", maps=case["maps"], label_numbering=case["label_numbering"]
    )
    record = json.loads((tmp_path / "maps" / "case7" / "case7.json").read_text())
    assert record["settings"] == {"amp": False, "overlap": 0.5}


@pytest.mark.parametrize(
    "option",
    [
        {"overlap": 0.95},
        {"overlap": -0.1},
        {"overlap": float("nan")},
        {"overlap": "$1/4"},
        {"overlap": None},
        {"overlap": 10**400},
        {"overlap": [0.5]},
        {"label_numbering": "brats1999"},
        {"label_numbering": []},
        {"maps": {"all": 1}},
        {"maps": "$print(1)"},
        {"device": "$import this"},
        {"device": ["cpu"]},
        {"result_dtype": "bool"},
        {"result_dtype": "S100000000"},
        {"result_dtype": {"_target_": "os.system"}},
        {"label_tag": "../../bundle"},
        {"label_tag": "/tmp"},
    ],
    ids=str,
)
def test_an_option_that_is_none_of_the_choices_is_refused_by_its_name(option):
    with pytest.raises(UserError) as caught:
        taken(**option)
    assert caught.value.code == "E_OPTION"
    assert next(iter(option)) in str(caught.value)


@pytest.mark.parametrize(
    ("request_", "maps"), [({"model": "simmlm"}, "all"), ({"maps": "none"}, "none")], ids=str
)
def test_a_server_may_keep_maps_of_requests_that_do_not_say(request_, maps):
    case = {"case_id": "case7", "image": MetaTensor(torch.zeros(4, 2, 2, 2)), **request_}
    assert TakeRequestd("model.pt", default_maps="all")(case)["maps"] == maps


def test_a_server_s_own_choice_of_maps_is_checked_too():
    with pytest.raises(SetupError, match="SIMMLM_MAPS"):
        TakeRequestd("model.pt", default_maps="everything")
    with pytest.raises(UserError, match="case name"):
        TakeRequestd("model.pt", default_maps="all")({"case_id": "..", "model": "simmlm"})


def test_what_monai_label_and_its_clients_send_passes(checkpoint):
    taken(
        checkpoint,
        model_filename=["model.pt"],
        device="cuda:0",
        result_dtype="uint8",
        label_tag="original",
    )
    taken(checkpoint, model_filename="model.pt", device=None, result_dtype=None)


@pytest.mark.parametrize(
    "chosen",
    [
        "../model.pt",
        "/tmp/model.pt",
        "..",
        "",
        [],
        None,
        {"a": 1},
        "other.pt",
        ["other.pt", "model.pt"],
    ],
    ids=str,
)
def test_weights_that_are_not_those_of_the_bundle_are_refused(checkpoint, chosen):
    checkpoint.with_name("other.pt").write_bytes(checkpoint.read_bytes())
    with pytest.raises(CaseError, match=r"model_filename must be model\.pt"):
        taken(checkpoint, model_filename=chosen)


@pytest.mark.parametrize("damage", ["weights", "checksum gone"])
def test_damaged_weights_are_noticed_before_monai_label_loads_them(checkpoint, damage):
    taken(checkpoint, model_filename=["model.pt"])
    if damage == "weights":
        checkpoint.write_bytes(b"weightz")
    else:
        sidecar(checkpoint).unlink()
    with pytest.raises(SetupError, match=r"SHA-256|checksum"):
        taken(checkpoint, model_filename=["model.pt"])


@pytest.mark.parametrize("case_id", ["..", "a/b", "/tmp/x", ""])
def test_a_case_name_that_is_no_folder_name_is_refused_where_maps_may_be_kept(case_id):
    with pytest.raises(UserError) as caught:
        taken(maps="all", case_id=case_id)
    assert caught.value.code == "E_CASE_ID"


def test_a_chosen_overlap_acts_as_if_it_stood_in_the_config(tiny_settings, phantom_folder):
    """It must survive the whole preprocessing, on a case of several windows whose places it
    changes.
    """

    def blended(request, **settings):
        parser = load_config("inference.yaml", {**tiny_settings, **settings})
        folder = next(phantom_folder.iterdir())
        case = parser.get_parsed_content("preprocessing")(
            {"image": find_images(folder, folder.name), **request}
        )
        case["image"] = torch.cat(
            [case["image"]] * 4, dim=2
        )  # long enough for the overlap to matter
        with torch.inference_mode():
            mixture = parser.get_parsed_content("inferer")(
                case["image"][None], parser.get_parsed_content("network")
            )
        return mixture["logits"]

    expected = blended({}, overlap=0.6)
    assert torch.equal(blended({"overlap": 0.6}), expected)
    assert not torch.equal(blended({}), expected)


@pytest.mark.parametrize("numbering", ["brats2023", "brats2021", "msd"])
def test_the_label_map_has_the_numbering_that_was_asked_for_and_its_place(checkpoint, numbering):
    case = answered(checkpoint, label_numbering=numbering)
    assert np.array_equal(
        case["pred"].numpy(), DEFAULT_TASK.numbering(numbering).write(make_case()["pred"].numpy())
    )
    assert case["pred"].dtype == torch.uint8
    assert np.allclose(case["pred"].affine, AFFINE)
    assert case["result"]["labels"]["convention"] == numbering
    assert "enhancing tumour" in case["result"]["labels"]["values"].values()


KINDS = {"none": set(), "entropy": {"seg", "entropy"}, "all": {"seg", "entropy", "weight"}}


@pytest.mark.parametrize("maps", MAP_SETS)
def test_the_maps_that_were_asked_for_are_kept_and_named(checkpoint, tmp_path, maps):
    case = answered(
        checkpoint, tmp_path / "maps", label_numbering="brats2021", maps=maps, overlap=0.25
    )
    kept = {path.name for path in (tmp_path / "maps").rglob("*.nii.gz")}
    kinds = {name.split("_")[1].split("-")[0].split(".")[0] for name in kept}
    assert kinds == KINDS[maps]
    assert {path.rpartition("/")[2] for path in case["result"].get("maps", [])} >= kept
    if maps == "none":
        assert not (tmp_path / "maps").exists()
        return
    folder = tmp_path / "maps" / "case7"
    label = np.asarray(nib.load(folder / "case7_seg.nii.gz").dataobj)
    assert np.array_equal(label, case["pred"].numpy()[0])
    assert label.max() == 4
    record = json.loads((folder / "case7.json").read_text())
    assert record["weights_sha256"] == file_sha256(checkpoint)
    assert record["settings"] == {"amp": False, "overlap": 0.25}


def test_maps_that_cannot_be_kept_are_a_warning_beside_those_of_the_case(checkpoint):
    result = answered(checkpoint, label_numbering="brats2023", maps="all")["result"]
    assert result["warnings"][:-1] == make_case()["result"]["warnings"]
    assert "SIMMLM_MAPS_DIR" in result["warnings"][-1]


def test_a_request_to_a_model_of_another_task_gets_the_numbering_of_that_task(checkpoint):
    case = TakeRequestd(checkpoint, task=LESIONS)({"model": "lesions", "case_id": "case7"})
    assert case["label_numbering"] == "plain"
    with pytest.raises(CaseError, match="label_numbering must be one of plain; got 'msd'"):
        TakeRequestd(checkpoint, task=LESIONS)({"label_numbering": "msd"})
    label = torch.zeros(1, 5, 6, 7, dtype=torch.uint8)
    label[0, 2] = 1
    asked = {"pred": MetaTensor(label), "result": {}, **case, "maps": "none"}
    answer = AnswerRequestd(checkpoint, task=LESIONS)(asked)
    assert answer["pred"].unique().tolist() == [0, 7]
    assert answer["result"]["labels"]["values"] == {"0": "background", "7": "white matter lesion"}
