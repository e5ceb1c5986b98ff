"""MONAI Label gives what `simmlm segment` gives, by every way in which a case can reach it."""

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import requests
import SimpleITK as sitk  # noqa: N813
from requests_toolbelt import MultipartDecoder

from bundle.cohorts.cohort_segmentation import segment_cases
from bundle.datasets.listing import list_cases
from bundle.serving.bundle_archive import NAME
from bundle.serving.label_server import LabelServer, ask_server
from bundle.serving.requests import MAPS, NUMBERING, OVERLAP
from bundle.tasks.default import DEFAULT_TASK
from tests.server.conftest import AS_THE_SERVER, SETS, running_server

pytestmark = pytest.mark.server

PARAMS = {"device": "cpu", "result_extension": ".nii.gz", "result_dtype": "uint8"}


def form(**params):
    return {"params": json.dumps({**PARAMS, **params})}


def check_equal(content: bytes, expected_file: Path, folder: Path, convert=lambda values: values):
    """The answer has the voxels and the grid of the file that `simmlm segment` wrote."""
    (folder / "answer.nii.gz").write_bytes(content)
    answer, expected = nib.load(folder / "answer.nii.gz"), nib.load(expected_file)
    assert answer.get_data_dtype() == np.uint8
    assert np.allclose(answer.affine, expected.affine, atol=1e-4)
    assert np.array_equal(np.asarray(answer.dataobj), convert(np.asarray(expected.dataobj)))
    assert set(np.unique(answer.dataobj)) > {0}


def label_of(segmented: Path, name: str) -> Path:
    return segmented / name / f"{name}_seg.nii.gz"


def upload(server, store, name) -> str:
    """Put the files of a case into a session, as a client that has them does."""
    files = [("files", (p.name, p.read_bytes())) for p in sorted(store.glob(f"{name}-*.nii.gz"))]
    return requests.put(f"{server.url}/session/", files=files, timeout=60).json()["session_id"]


def test_the_client_is_told_labels_and_options_and_that_there_is_nothing_to_train(server):
    info = requests.get(f"{server.url}/info/", timeout=60).json()
    model = info["models"][NAME]
    assert model["labels"] == {
        name: value for value, name in DEFAULT_TASK.label_names.items() if value
    }
    assert set(model["config"]) == {"device", "model_filename"}
    assert all(
        option in model["description"] for option in (OVERLAP, "modalities", NUMBERING, MAPS)
    )
    assert info["trainers"] == {}


def test_each_patient_is_one_sample_whatever_modalities_there_are(server):
    objects = requests.get(f"{server.url}/datastore/?output=all", timeout=60).json()["objects"]
    assert set(objects) == {*SETS, "long", "damaged"}


@pytest.mark.parametrize("name", SETS)
def test_the_files_beside_a_sample_are_found(server, segmented, tmp_path, name):
    answer = server.infer(query=f"image={name}", data=form())
    assert answer.status_code == 200
    check_equal(answer.content, label_of(segmented, name), tmp_path)


@pytest.mark.parametrize("name", SETS)
def test_a_session_of_uploaded_files_gives_the_same(server, store, segmented, tmp_path, name):
    answer = server.infer(query=f"session_id={upload(server, store, name)}", data=form())
    assert answer.status_code == 200
    check_equal(answer.content, label_of(segmented, name), tmp_path)


def test_a_4d_file_with_declared_volumes_gives_the_same(server, whole_4d, segmented, tmp_path):
    answer = server.infer(
        data=form(modalities="t2f,t1n,t1c,t2w"),
        files={"file": (whole_4d.name, whole_4d.read_bytes())},
    )
    assert answer.status_code == 200
    check_equal(answer.content, label_of(segmented, "whole"), tmp_path)


def test_a_list_of_files_on_the_server_gives_the_same(server, store, segmented, tmp_path):
    files = [str(path) for path in store.glob("two-*.nii.gz")]
    answer = server.infer(query="image=any", data=form(image=files))
    assert answer.status_code == 200
    check_equal(answer.content, label_of(segmented, "two"), tmp_path)


@pytest.mark.parametrize("name", ["three", "one"])
def test_slicer_gets_an_nrrd_with_label_names_and_the_facts_of_the_case(
    server, segmented, tmp_path, name
):
    answer = server.infer(output="all", query=f"image={name}", data=form(result_extension=".nrrd"))
    assert answer.status_code == 200
    params, image = (part.content for part in MultipartDecoder.from_response(answer).parts)
    (tmp_path / "answer.nrrd").write_bytes(image)
    found, expected = (
        sitk.ReadImage(str(tmp_path / "answer.nrrd")),
        sitk.ReadImage(str(label_of(segmented, name))),
    )
    assert np.array_equal(sitk.GetArrayFromImage(found), sitk.GetArrayFromImage(expected))
    for geometry in ("GetOrigin", "GetSpacing", "GetDirection"):
        assert np.allclose(getattr(found, geometry)(), getattr(expected, geometry)(), atol=1e-4)
    facts, record = json.loads(params), json.loads((segmented / name / f"{name}.json").read_text())
    assert facts["label_names"] == {
        label: value for value, label in DEFAULT_TASK.label_names.items() if value
    }
    for key in (
        "modalities",
        "missing",
        "volumes_ml",
        "volume_intervals_ml",
        "mean_weights",
        "mean_entropy_in_tumour",
        "warnings",
    ):
        assert facts[key] == record[key]
    assert facts["modalities"] == [m for m in DEFAULT_TASK.modality_names if m in SETS[name]]


def test_a_chosen_overlap_gives_what_segment_gives_with_it(label_server_python, store, tmp_path):
    """On a case so long that the windows lie elsewhere, which its entropy shows."""
    cases = [{"case_id": "long", "image": {"t2w": store / "long-t2w.nii.gz"}}]
    windows = {"roi_size": [96, 96, 96]}
    for overlap in (0.1, 0.5):
        settings = {**AS_THE_SERVER, **windows, "overlap": overlap}
        segment_cases(cases, tmp_path / str(overlap), settings=settings)
    work = tmp_path / "server"
    work.mkdir()
    with running_server(label_server_python, work, store, settings=windows) as server:
        answer = server.infer(query="image=long", data=form(overlap=0.1, maps="entropy"))
    assert answer.status_code == 200
    found, same, other = (
        np.asarray(nib.load(folder / "long" / "long_entropy.nii.gz").dataobj)
        for folder in (server.maps, tmp_path / "0.1", tmp_path / "0.5")
    )
    assert np.array_equal(found, same)
    assert not np.array_equal(found, other)


@pytest.mark.parametrize("numbering", ["brats2021", "msd"])
def test_a_chosen_numbering_is_that_of_the_label_map(server, segmented, tmp_path, numbering):
    answer = server.infer(query="image=two", data=form(label_numbering=numbering))
    check_equal(
        answer.content,
        label_of(segmented, "two"),
        tmp_path,
        lambda label: DEFAULT_TASK.numbering(numbering).write(label),
    )


def test_the_next_request_has_the_defaults_again(server, segmented, tmp_path):
    server.infer(query="image=two", data=form(label_numbering="msd", overlap=0.1))
    answer = server.infer(query="image=two", data=form())
    check_equal(answer.content, label_of(segmented, "two"), tmp_path)


def test_all_maps_are_kept_on_the_server_and_equal_those_of_segment(server, segmented):
    answer = server.infer(output="json", query="image=two", data=form(maps="all"))
    kept = {Path(path).name for path in answer.json()["maps"]}
    names = {path.name for path in (segmented / "two").iterdir()}
    assert kept == names | {"two.seg.nrrd", "two_seg.ctbl", "load_in_slicer.py"}
    for name in names - {"two.json"}:
        one, other = (nib.load(folder / "two" / name) for folder in (segmented, server.maps))
        assert np.array_equal(np.asarray(one.dataobj), np.asarray(other.dataobj))
        assert one.header.structarr["sform_code"] == other.header.structarr["sform_code"]
    record, expected = (
        json.loads((folder / "two" / "two.json").read_text()) for folder in (server.maps, segmented)
    )
    assert record["weights_sha256"] == expected["weights_sha256"]


def test_entropy_alone_is_kept_where_only_it_is_asked_for(server):
    answer = server.infer(output="json", query="image=one", data=form(maps="entropy"))
    names = {Path(path).name for path in answer.json()["maps"]}
    assert "one_entropy.nii.gz" in names
    assert not any("weight" in name for name in names)


def test_nothing_is_kept_where_no_maps_are_asked_for(server):
    assert server.infer(query="image=three", data=form()).status_code == 200
    assert not (server.maps / "three").exists()


@pytest.mark.parametrize("case_id", ["../outside", "/tmp/outside", ".."])
def test_a_case_name_cannot_lead_out_of_the_folder_of_maps(server, store, case_id):
    before = server.log_size()
    answer = server.infer(
        query=f"image={store / 'one-t2w.nii.gz'}", data=form(maps="all", case_id=case_id)
    )
    assert answer.status_code == 500
    assert server.says("A case name must be a plain file name", before)
    assert not (server.maps.parent / "outside").exists()


BAD = {
    "damaged": ("image=damaged", {}, "damaged-t1c.nii.gz"),
    "undeclared 4D": (None, {}, "declare what the file holds"),
    "wrong declaration": (None, {"modalities": "t1c,t2f"}, "the file must hold the 2 volumes"),
    "wrong overlap": ("image=one", {"overlap": 2}, "overlap must be a share of the window"),
    "wrong numbering": (
        "image=one",
        {"label_numbering": "brats1999"},
        "label_numbering must be one of",
    ),
    "wrong maps": ("image=one", {"maps": "everything"}, "maps must be one of"),
}


@pytest.mark.parametrize("reason", BAD)
def test_a_bad_request_fails_with_a_sentence_in_the_log(server, whole_4d, reason):
    query, params, sentence = BAD[reason]
    before = server.log_size()
    files = None if query else {"file": (whole_4d.name, whole_4d.read_bytes())}
    assert server.infer(query=query or "", data=form(**params), files=files).status_code == 500
    assert server.says(sentence, before)


def test_the_server_goes_on_after_a_bad_request(server, segmented, tmp_path):
    assert server.infer(query="image=damaged", data=form()).status_code == 500
    check_equal(
        server.infer(query="image=one", data=form()).content, label_of(segmented, "one"), tmp_path
    )


def test_simmlm_ask_sends_a_whole_data_set_and_saves_what_segment_gives(
    server, store, segmented, tmp_path
):
    for name, modalities in SETS.items():
        (tmp_path / "cases" / name).mkdir(parents=True)
        for modality in modalities:
            (tmp_path / "cases" / name / f"{name}-{modality}.nii.gz").symlink_to(
                store / f"{name}-{modality}.nii.gz"
            )
    client = LabelServer(server.url, options={"device": "cpu"})
    outcomes = ask_server(client, list_cases(tmp_path / "cases"), tmp_path / "out")
    assert [outcome.status for outcome in outcomes] == ["ok"] * len(SETS)
    for name in SETS:
        check_equal(
            label_of(tmp_path / "out", name).read_bytes(), label_of(segmented, name), tmp_path
        )
        facts = json.loads((tmp_path / "out" / name / f"{name}.json").read_text())
        assert facts["modalities"] == [
            modality for modality in DEFAULT_TASK.modality_names if modality in SETS[name]
        ]


def test_nothing_that_was_uploaded_by_simmlm_ask_stays_on_the_server(server, store, tmp_path):
    sessions = server.maps.parent / "sessions"
    before = set(sessions.iterdir())
    client = LabelServer(server.url, options={"device": "cpu"})
    ask_server(
        client, [{"case_id": "x", "image": {"t2w": store / "one-t2w.nii.gz"}}], tmp_path / "out"
    )
    assert set(sessions.iterdir()) == before


def test_simmlm_ask_goes_on_past_a_case_that_the_server_refuses(server, store, tmp_path):
    cases = [
        {"case_id": "bad", "image": {"t1c": store / "damaged-t1c.nii.gz"}},
        {"case_id": "good", "image": {"t2w": store / "one-t2w.nii.gz"}},
    ]
    outcomes = ask_server(
        LabelServer(server.url, options={"device": "cpu"}), cases, tmp_path / "out"
    )
    assert [outcome.status for outcome in outcomes] == ["failed", "ok"]
    assert "Its log says why" in outcomes[0].reason
