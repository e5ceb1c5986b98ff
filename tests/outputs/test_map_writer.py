import json
from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest
import torch

from bundle.cases.case_record import CaseRecord
from bundle.errors import CaseError, OutputError, SetupError
from bundle.files.atomic_file import check_writable
from bundle.inference.maps import SplitMapsd
from bundle.outputs import map_files, preview, preview_file
from bundle.outputs.case_output import CaseOutputs
from bundle.outputs.map_writer import MapWriter
from bundle.outputs.output_list import case_outputs
from bundle.tasks.default import DEFAULT_TASK
from bundle.volumes.geometry import grid_from_affine
from bundle.volumes.image_volume import read_volume
from tests.other_task import LESIONS
from tests.volumes.nifti_samples import save, scan

MODALITIES, REGIONS = DEFAULT_TASK.modality_names, DEFAULT_TASK.region_names
M, R, SHAPE = 4, 3, (5, 6, 7)
PER_REGION = {"entropy_per_region": True, "weights_per_region": True}
AFFINE = np.array([[0, -1, 0, 9.5], [2, 0, 0, -8], [0, 0, 3, 1.25], [0, 0, 0, 1]])


def make_case(modalities=MODALITIES, *, case_id="case7", per_region=False, contributions="none"):
    """A case after post-processing, with every label in its map; the first acquired modality says
    three times as much as each of the others.
    """
    inputs = {
        modality: {"file": f"/data/{modality}.nii.gz", "sha256": "ab" * 32}
        for modality in modalities
    }
    missing = tuple(modality for modality in MODALITIES if modality not in modalities)
    grid = grid_from_affine(SHAPE, AFFINE)
    record = CaseRecord(case_id, inputs, ("t1c: odd",), grid, missing).to_json()
    acquired = torch.tensor([modality in modalities for modality in MODALITIES])
    weights = (acquired / acquired.sum())[:, None].expand(-1, R if per_region else 1).flatten()
    probabilities = torch.zeros(R, *SHAPE)
    for index, size in enumerate((3, 4, 2)):  # nested: WT 4 slices, TC 3 of them, ET 2 of those
        probabilities[index, :size] = 0.75
    weights = weights[:, None, None, None].expand(-1, *SHAPE)
    case = {"probabilities": probabilities, "weights": weights, "record": record}
    case["mean_weights"] = torch.full((M, R), 0.25)
    said = acquired * torch.ones(M)
    said[MODALITIES.index(modalities[0])] = 3
    case["parts"] = (said[:, None, None, None, None] * (probabilities - 0.5)).flatten(0, 1)
    return SplitMapsd(entropy_per_region=per_region, contributions=contributions)(case)


def writer(folder, *, overwrite=False, **options):
    return MapWriter(folder, case_outputs("cd" * 32, **options), overwrite=overwrite)


def write(folder, case=None, **options):
    return writer(folder, **options).write(make_case() if case is None else case, computed_s=1.5)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def load(folder, name):
    return np.asarray(nib.load(folder / name).dataobj)


@pytest.mark.parametrize("modalities", DEFAULT_TASK.modality_sets(), ids=" ".join)
def test_a_case_is_a_label_map_an_entropy_map_a_json_and_a_weight_map_per_acquired_modality(
    tmp_path, modalities
):
    folder = write(tmp_path / "out", make_case(modalities))
    assert folder == tmp_path / "out" / "case7"
    maps = [
        "entropy.nii.gz",
        "seg.nii.gz",
        *(f"weight-{modality}.nii.gz" for modality in modalities),
    ]
    assert names(folder) == sorted(["case7.json", *(f"case7_{name}" for name in maps)])


def test_maps_have_the_documented_types_and_the_grid_of_the_case(tmp_path):
    folder = write(tmp_path)
    for path in folder.glob("*.nii.gz"):
        image = nib.load(path)
        assert image.get_data_dtype() == (
            np.uint8 if path.name == "case7_seg.nii.gz" else np.float32
        )
        assert image.shape == SHAPE
        assert np.allclose(image.affine, AFFINE)


@pytest.mark.parametrize(
    ("convention", "values"),
    [("brats2023", [3, 3, 1, 2, 0]), ("brats2021", [4, 4, 1, 2, 0]), ("msd", [3, 3, 2, 1, 0])],
)
def test_the_label_map_has_the_numbering_asked_for_and_the_json_explains_it(
    tmp_path, convention, values
):
    folder = write(tmp_path, label_convention=convention)
    label = load(folder, "case7_seg.nii.gz")
    assert (label == np.reshape(values, (5, 1, 1))).all()
    labels = json.loads((folder / "case7.json").read_text())["labels"]
    assert labels["convention"] == convention
    named = [labels["values"][str(value)] for value in values]
    assert named == [
        "enhancing tumour",
        "enhancing tumour",
        "necrotic core",
        "oedema",
        "background",
    ]


def test_per_region_maps_are_named_by_modality_and_region(tmp_path):
    folder = write(tmp_path, make_case(("t1c", "t2f"), per_region=True), **PER_REGION)
    weights = [
        f"case7_weight-{modality}-{region}.nii.gz"
        for modality in ("t1c", "t2f")
        for region in REGIONS
    ]
    entropies = ["case7_entropy.nii.gz", *(f"case7_entropy-{region}.nii.gz" for region in REGIONS)]
    assert names(folder) == sorted(["case7.json", "case7_seg.nii.gz", *entropies, *weights])
    assert load(folder, "case7_entropy-ET.nii.gz")[2].max() == 0  # ET fills two slices only
    assert load(folder, "case7_entropy-WT.nii.gz")[2].min() > 0.8


def test_the_json_says_what_was_read_what_came_out_and_with_what(tmp_path):
    folder = write(tmp_path, make_case(("t1c", "t2f")), settings={"overlap": 0.5})
    facts = json.loads((folder / "case7.json").read_text(encoding="utf-8"))
    assert (facts["modalities"], facts["missing"]) == (["t1c", "t2f"], ["t1n", "t2w"])
    assert facts["volumes_ml"] == {
        "necrotic core": 0.252,
        "oedema": 0.252,
        "enhancing tumour": 0.504,
    }
    assert facts["inputs"]["t2f"] == {"file": "/data/t2f.nii.gz", "sha256": "ab" * 32}
    assert facts["weights_sha256"] == "cd" * 32
    assert facts["settings"] == {"overlap": 0.5}
    assert facts["warnings"] == ["t1c: odd"]
    assert facts["seconds"]["reading_to_maps"] == 1.5
    assert set(facts["maps"]) == set(names(folder)) - {"case7.json"}
    assert {"simmlm", "torch", "monai"} <= set(facts["versions"])


def test_the_json_appears_last_and_that_of_an_earlier_run_goes_first(tmp_path, monkeypatch):
    """Whenever the JSON stands, every map that it names is the one it speaks of."""
    folder = write(tmp_path)
    (folder / "case7_seg.nii.gz").write_text("of the earlier run")
    seen = []

    def replace(path, target):
        if target.parent == folder != path.parent:  # out of the stage, not the note beside
            seen.append((target.name, (folder / "case7.json").exists()))
        return original(path, target)

    original = type(tmp_path).replace
    monkeypatch.setattr(type(tmp_path), "replace", replace)
    write(tmp_path)
    assert [name for name, _ in seen] == [
        *sorted(set(names(folder)) - {"case7.json"}),
        "case7.json",
    ]
    assert not any(there for _, there in seen)
    assert load(folder, "case7_seg.nii.gz").max() == 3


def test_a_rerun_with_fewer_modalities_removes_the_maps_of_the_others_and_nothing_else(tmp_path):
    folder = write(tmp_path, make_case(per_region=True), **PER_REGION)
    write(tmp_path)
    images = [f"case7-{modality}.nii.gz" for modality in MODALITIES]
    foreign = [
        *images,
        "case7_t1ce.nii.gz",
        "case7_weight-loss.nii.gz",
        "case7_entropy-mine.nii.gz",
        "case70_weight-t1n.nii.gz",
        "my_case7_weight-t1n.nii.gz",
        "notes.txt",
    ]
    for name in foreign:
        (folder / name).write_bytes(b"not ours")
    write(tmp_path, make_case(("t1c",)))
    ours = ["case7.json", "case7_entropy.nii.gz", "case7_seg.nii.gz", "case7_weight-t1c.nii.gz"]
    assert names(folder) == sorted([*ours, *foreign])
    assert all((folder / name).read_bytes() == b"not ours" for name in foreign)


@pytest.mark.parametrize("modalities", [MODALITIES, ("t1c", "t2f")], ids=" ".join)
@pytest.mark.parametrize("kind", ["shares", "per_region", "signed"])
def test_contributions_are_maps_of_the_acquired_modalities_and_one_of_who_decided(
    tmp_path, modalities, kind
):
    folder = write(tmp_path, make_case(modalities, contributions=kind), contributions=kind)
    endings = [""] if kind == "shares" else [f"-{region}" for region in REGIONS]
    expected = [f"case7_contribution-{m}{end}.nii.gz" for m in modalities for end in endings]
    found = [name for name in names(folder) if "contribution" in name]
    assert found == sorted(expected)
    share = 3 / (2 + len(modalities))
    first = load(folder, f"case7_contribution-{modalities[0]}{endings[0]}.nii.gz")
    assert np.allclose(np.abs(first), share, atol=1e-3)
    assert (first.min() < 0) == (kind == "signed")
    label, decided = load(folder, "case7_seg.nii.gz"), load(folder, "case7_decided-by.nii.gz")
    assert decided.dtype == np.uint8
    assert (decided == np.where(label > 0, 1 + MODALITIES.index(modalities[0]), 0)).all()
    facts = json.loads((folder / "case7.json").read_text())
    assert facts["contributions"]["WT"][modalities[0]] == pytest.approx(share, abs=1e-3)
    assert list(facts["contributions"]["WT"]) == list(modalities)
    assert facts["decided_by"] == {"1": "t1n", "2": "t1c", "3": "t2w", "4": "t2f"}
    assert "sums to 1" in facts["units"]["contributions"]


def test_without_contributions_nothing_is_said_of_them_and_older_maps_of_them_go(tmp_path):
    write(tmp_path, make_case(contributions="per_region"), contributions="per_region")
    folder = write(tmp_path)
    assert not [name for name in names(folder) if "contribution" in name or "decided" in name]
    facts = json.loads((folder / "case7.json").read_text())
    assert not {"contributions", "decided_by"} & {*facts, *facts["units"]}


def test_a_rerun_without_preview_removes_the_picture_of_the_old_maps(tmp_path):
    folder = write(tmp_path)
    (folder / "case7_preview.png").write_bytes(b"of the earlier run")
    write(tmp_path)
    assert "case7_preview.png" not in names(folder)


@pytest.mark.parametrize("convention", ["brats2023", "brats2021", "msd"])
def test_the_picture_is_drawn_from_the_projects_own_numbering_whatever_stands_on_disk(
    tmp_path, monkeypatch, convention
):
    drawn = []

    def draw(path, images, maps, affine, **options):
        drawn.append(maps["seg"][:, 0, 0].tolist())

    monkeypatch.setattr(preview, "draw_preview", draw)
    monkeypatch.setattr(preview_file, "read_images", lambda inputs, grid, **options: {})
    write(tmp_path, preview=True, label_convention=convention)
    assert drawn == [[3, 3, 1, 2, 0]]


def test_a_rerun_writes_the_same_bytes(tmp_path):
    folder = write(tmp_path)
    first = {name: (folder / name).read_bytes() for name in names(folder)}
    write(tmp_path)
    assert {name: (folder / name).read_bytes() for name in names(folder)} == first


@pytest.mark.parametrize(
    "failure", [OutputError("E_WRITE", "full"), OSError(28, "No space left"), KeyboardInterrupt()]
)
def test_a_failure_midway_leaves_no_file_at_all(tmp_path, monkeypatch, failure):
    calls = []

    def write_volume(path, *args, **kwargs):
        calls.append(path)
        if len(calls) == 2:
            raise failure
        original(path, *args, **kwargs)

    original = map_files.write_volume
    monkeypatch.setattr(map_files, "write_volume", write_volume)
    with pytest.raises(
        KeyboardInterrupt if isinstance(failure, KeyboardInterrupt) else OutputError
    ):
        write(tmp_path / "out")
    assert len(calls) == 2
    assert not any(path.is_file() for path in tmp_path.rglob("*"))
    assert not any(path.name.startswith(".") for path in tmp_path.rglob("*"))


def test_a_failure_midway_leaves_an_earlier_result_whole(tmp_path, monkeypatch):
    folder = write(tmp_path)
    before = {name: (folder / name).read_bytes() for name in names(folder)}
    monkeypatch.setattr(
        map_files,
        "write_volume",
        lambda *args, **kwargs: (_ for _ in ()).throw(OSError(28, "full")),
    )
    with pytest.raises(OutputError, match="full"):
        write(tmp_path, make_case(("t1c",)))
    assert {name: (folder / name).read_bytes() for name in names(folder)} == before


def test_a_file_where_the_cases_folder_should_be_is_an_output_error(tmp_path):
    (tmp_path / "case7").write_text("in the way")
    with pytest.raises(OutputError, match="case7 must be writable"):
        write(tmp_path)
    assert (tmp_path / "case7").read_text() == "in the way"


def test_checking_makes_the_folder_and_leaves_nothing_in_it(tmp_path):
    check_writable(tmp_path / "a" / "b")
    assert names(tmp_path / "a" / "b") == []


@pytest.mark.parametrize("below", ["file", "file/out"])
def test_an_output_folder_that_is_or_lies_below_a_file_is_refused_with_status_74(tmp_path, below):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="must be writable") as caught:
        check_writable(tmp_path / below)
    assert (caught.value.code, caught.value.exit_code) == ("E_OUTPUT", 74)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", ["entropy", "weights"])
def test_a_map_with_a_voxel_that_is_no_number_is_refused_and_an_earlier_result_stays(
    tmp_path, name, value
):
    folder = write(tmp_path)
    before = {name: (folder / name).read_bytes() for name in names(folder)}
    case = make_case()
    case[name][0, 1, 2, 3] = value
    with pytest.raises(
        CaseError, match=r"case7: every voxel of the map .* must be a number; got 1 "
    ) as caught:
        write(tmp_path, case)
    assert caught.value.code == "E_NOT_FINITE"
    assert {name: (folder / name).read_bytes() for name in names(folder)} == before


@pytest.mark.parametrize(
    "facts", [{"volumes_ml": {"oedema": float("nan")}}, {"mean_entropy_in_tumour": float("inf")}]
)
def test_a_fact_that_is_no_number_is_refused_because_json_has_none(tmp_path, facts):
    case = make_case()
    case["result"].update(facts)
    with pytest.raises(CaseError, match="every fact") as caught:
        write(tmp_path / "out", case)
    assert caught.value.code == "E_NOT_FINITE"
    assert not any((tmp_path / "out").iterdir())


def test_a_file_name_that_is_no_text_stands_in_the_json_as_it_is(tmp_path):
    case = make_case(("t1c",))
    record = json.loads(case["record"])
    record["inputs"]["t1c"]["file"] = "/data/\udcff.nii.gz"
    folder = write(tmp_path, {**case, "record": json.dumps(record)})
    facts = json.loads((folder / "case7.json").read_text(encoding="utf-8"))
    assert facts["inputs"]["t1c"]["file"] == "/data/\udcff.nii.gz"


def test_a_numbering_that_nobody_knows_is_refused_before_anything_is_computed(tmp_path):
    with pytest.raises(
        SetupError, match=r"label_convention must be one of .*; got 'auto'"
    ) as caught:
        writer(tmp_path, label_convention="auto")
    assert caught.value.code == "E_SETTING"


def test_a_picture_is_drawn_of_the_bytes_that_were_segmented_or_not_at_all(tmp_path):
    image = save(tmp_path / "t1c.nii.gz", data=scan(SHAPE), affine=AFFINE)
    record = make_case(("t1c",))["record"]
    read = read_volume(image, case_id="case7", modality="t1c")
    entry = {"file": str(image), "sha256": read.sha256}
    case = {
        **make_case(("t1c",)),
        "record": json.dumps({**json.loads(record), "inputs": {"t1c": entry}}),
    }
    assert "case7_preview.png" in names(write(tmp_path / "out", case, preview=True))
    save(image, data=scan(SHAPE, seed=5), affine=AFFINE)
    with pytest.raises(
        CaseError, match=r"case7, t1c, .*t1c\.nii\.gz: the file must stay as it is"
    ) as caught:
        write(tmp_path / "new", case, preview=True)
    assert caught.value.code == "E_CHANGED"
    assert not (tmp_path / "new" / "case7").exists()


class TextFile:
    """An output as a later one may be: of no map, of its own class, known to nothing else."""

    def names(self, case):
        return self.possible_names(case.case_id)

    def possible_names(self, case_id):
        return (f"{case_id}_report.txt",)

    def write(self, folder, result):
        (name,) = self.names(result.record)
        (folder / name).write_text(f"{result.facts['volumes_ml']}", encoding="utf-8")


def writer_with_text(folder, *, is_on):
    """Return a writer that has one more output."""
    usual = case_outputs("cd" * 32)
    *maps, facts = usual.written
    chosen = (*maps, TextFile()) if is_on else tuple(maps)
    listed = (*chosen, replace(facts, others=chosen))
    return MapWriter(folder, CaseOutputs(listed, usual.off if is_on else (*usual.off, TextFile())))


def test_an_output_is_one_class_whose_names_say_what_is_listed_replaced_and_removed(tmp_path):
    folder = writer_with_text(tmp_path, is_on=True).write(make_case())
    assert "necrotic core" in (folder / "case7_report.txt").read_text(encoding="utf-8")
    facts = json.loads((folder / "case7.json").read_text(encoding="utf-8"))
    assert facts["companions"] == ["case7_report.txt"]
    assert "case7_report.txt" not in facts["maps"]
    writer_with_text(tmp_path, is_on=False).write(make_case())
    assert "case7_report.txt" not in names(folder)


@pytest.mark.parametrize("is_on", [True, False])
def test_a_file_of_somebody_else_with_the_name_of_an_output_is_never_replaced(tmp_path, is_on):
    (tmp_path / "case7").mkdir()
    (tmp_path / "case7" / "case7_report.txt").write_text("of an expert")
    with pytest.raises(CaseError, match=r"case7_report\.txt must be a result of this program"):
        writer_with_text(tmp_path, is_on=is_on).write(make_case())
    assert (tmp_path / "case7" / "case7_report.txt").read_text() == "of an expert"


def test_the_files_of_another_task_are_named_by_its_modalities_regions_and_labels(tmp_path):
    inputs = {"t2f": {"file": str(save(tmp_path / "t2f.nii.gz", data=scan(SHAPE), affine=AFFINE))}}
    read = read_volume(tmp_path / "t2f.nii.gz", case_id="case7", modality="t2f")
    inputs["t2f"]["sha256"] = read.sha256
    label = np.zeros(SHAPE, np.uint8)
    label[2] = 1
    case = {
        "pred": torch.from_numpy(label)[None],
        "entropy": torch.zeros(2, *SHAPE),
        "weights": torch.ones(2, *SHAPE),
        "record": CaseRecord("case7", inputs, (), read.grid).to_json(),
        "result": {"volumes_ml": {"white matter lesion": 0.1}},
    }
    options = {"entropy_per_region": True, "preview": True, "slicer": True}
    folder = write(tmp_path / "out", case, task=LESIONS, **options)
    maps = ["entropy-LES", "entropy", "seg", "weight-t2f"]
    companions = ["case7.seg.nrrd", "case7_preview.png", "case7_seg.ctbl", "load_in_slicer.py"]
    assert names(folder) == sorted(
        ["case7.json", *companions, *(f"case7_{name}.nii.gz" for name in maps)]
    )
    assert load(folder, "case7_seg.nii.gz").max() == 7
    facts = json.loads((folder / "case7.json").read_text(encoding="utf-8"))
    assert facts["labels"] == {
        "convention": "plain",
        "values": {"0": "background", "7": "white matter lesion"},
    }
    assert facts["opened_first"] == ["t2f", "t2w"]
    assert (folder / "case7_seg.ctbl").read_text().splitlines()[2:] == [
        "0 background 0 0 0 0",
        "7 white_matter_lesion 255 0 0 255",
    ]
