"""What --slicer writes says the same as the NIfTI label map: voxels, place, names, colours."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import nibabel as nib
import nrrd
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
import slicerio
import torch
from matplotlib.colors import to_rgb
from nibabel.affines import apply_affine

from bundle.cases.case_record import CaseRecord
from bundle.errors import OutputError
from bundle.outputs.slicer_files import SlicerFiles, colour_table, slicer_file_names
from bundle.tasks.default import DEFAULT_TASK
from bundle.volumes.geometry import grid_from_affine
from bundle.volumes.image_volume import read_volume
from tests.outputs.test_geometry import GEOMETRIES, Geometry
from tests.outputs.test_geometry import write as write_image
from tests.outputs.test_map_writer import writer

NOWHERE = Geometry("PIR", spacing_mm=(1, 1.25, 2), codes=(0, 0))
MODALITIES, NUMBERINGS = DEFAULT_TASK.modality_names, tuple(DEFAULT_TASK.numberings)
SHAPE = (5, 6, 7)
GRID = grid_from_affine(
    SHAPE, np.array([[0, -1, 0, 9.5], [2, 0, 0, -8], [0, 0, 3, 1.25], [0, 0, 0, 1]])
)
NAMES = slicer_file_names("case7")


def blocks(shape):
    """One block per label, of different sizes, none in the middle of any axis."""
    label = np.zeros(shape, np.uint8)
    label[0:2, 1:4, 0:2], label[2:4, 0:1, 3:6], label[4, 3:5, 2:3] = 1, 2, 3
    return label


def make_case(label, grid=GRID, *, case_id="case7", modalities=MODALITIES, images="/data"):
    inputs = {
        modality: {"file": f"{images}/{modality}.nii.gz", "sha256": "ab" * 32}
        for modality in modalities
    }
    return {
        "pred": torch.from_numpy(label)[None],
        "entropy": torch.zeros(1, *label.shape),
        "weights": torch.full((len(MODALITIES), *label.shape), 1 / len(modalities)),
        "record": CaseRecord(case_id, inputs, (), grid).to_json(),
        "result": {"case_id": case_id},
    }


def write(folder, label=None, *, slicer=True, numbering="brats2023", task=DEFAULT_TASK, **options):
    case = make_case(blocks(SHAPE) if label is None else label, **options)
    outputs = {"label_convention": numbering, "slicer": slicer, "task": task}
    return writer(folder, **outputs).write(case, computed_s=1.5)


def read(folder, case_id="case7"):
    return slicerio.read_segmentation(str(folder / slicer_file_names(case_id)[0]))


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def table_rows(text):
    """Read a colour table by the rules of Slicer's reader: no line begins with a blank, names have
    none.
    """
    lines = [line.split() for line in text.splitlines() if not line.startswith("#")]
    return {int(value): (name, *map(int, rgba)) for value, name, *rgba in lines}


@pytest.fixture(scope="module")
def placed(tmp_path_factory):
    """Every geometry: its folder of results, which are named after it."""
    out = tmp_path_factory.mktemp("placed")
    folders = {}
    for name, geometry in {**GEOMETRIES, "nowhere": NOWHERE}.items():
        write_image(out / "image.nii.gz", geometry)
        grid = read_volume(out / "image.nii.gz", case_id=name, modality="t1c").grid
        folders[name] = write(out / "out", blocks(grid.shape), grid=grid, case_id=name)
    return folders


def test_the_segments_have_the_names_colours_and_terms_that_the_documentation_lists(tmp_path):
    segments = read(write(tmp_path))["segments"]
    found = {
        segment["labelValue"]: (segment["id"], segment["name"], segment["terminology"])
        for segment in segments
    }
    codes = {
        1: ["SCT", "6574001", "Necrosis"],
        2: ["SCT", "79654002", "Edema"],
        3: ["SCT", "86049000", "Neoplasm, Primary"],
    }
    assert list(found) == [1, 2, 3]
    for value, (identifier, name, terms) in found.items():
        assert (identifier, name) == (f"Segment_{value}", DEFAULT_TASK.label_names[value])
        assert terms == {
            "contextName": "Segmentation category and type - DICOM master list",
            "category": ["SCT", "49755003", "Morphologically Altered Structure"],
            "type": codes[value],
            "anatomicContextName": "Anatomic codes - DICOM master list",
            "anatomicRegion": ["SCT", "12738006", "Brain"],
        }


def test_segments_colour_table_and_preview_show_a_label_in_one_colour(tmp_path):
    folder = write(tmp_path)
    rows = table_rows((folder / NAMES[1]).read_text(encoding="ascii"))
    for segment in read(folder)["segments"]:
        value = segment["labelValue"]
        wanted = [round(255 * part) for part in to_rgb(DEFAULT_TASK.label_colours[value])]
        assert [round(255 * part) for part in segment["color"]] == wanted
        assert list(rows[value][1:4]) == wanted


@pytest.mark.parametrize("numbering", NUMBERINGS)
def test_the_voxels_are_those_of_the_nifti_label_map_in_the_projects_own_numbering(
    tmp_path, numbering
):
    folder = write(tmp_path, numbering=numbering)
    label = np.asarray(nib.load(folder / "case7_seg.nii.gz").dataobj)
    assert np.array_equal(read(folder)["voxels"], DEFAULT_TASK.numbering(numbering).read(label))


@pytest.mark.parametrize("numbering", NUMBERINGS)
def test_the_colour_table_names_every_value_of_the_nifti_label_map_as_the_json_does(
    tmp_path, numbering
):
    folder = write(tmp_path, numbering=numbering)
    text = (folder / NAMES[1]).read_text(encoding="ascii")
    values = json.loads((folder / "case7.json").read_text(encoding="utf-8"))["labels"]["values"]
    assert text.startswith("# Color table file")
    rows = table_rows(text)
    assert set(rows) == set(
        np.unique(np.asarray(nib.load(folder / "case7_seg.nii.gz").dataobj)).tolist()
    )
    assert {
        str(value): row[0].replace("_", " ") for value, row in rows.items()
    }.items() <= values.items()
    assert [row[4] for _, row in sorted(rows.items())] == [0, 255, 255, 255]


def test_in_a_table_for_brats_2021_enhancing_tumour_is_4():
    assert colour_table(DEFAULT_TASK.numbering("brats2021"), DEFAULT_TASK).splitlines()[2:] == [
        "0 background 0 0 0 0",
        "1 necrotic_core 255 90 31 255",
        "2 oedema 240 228 66 255",
        "4 enhancing_tumour 86 196 255 255",
    ]


@pytest.mark.parametrize("name", [*GEOMETRIES, "nowhere"])
def test_the_segmentation_lies_on_the_nifti_label_map_for_simpleitk(placed, name):
    found = sitk.ReadImage(str(placed[name] / f"{name}.seg.nrrd"))
    expected = sitk.ReadImage(str(placed[name] / f"{name}_seg.nii.gz"))
    assert found.GetSize() == expected.GetSize()
    assert found.GetOrigin() == pytest.approx(expected.GetOrigin(), abs=1e-6)
    assert found.GetSpacing() == pytest.approx(expected.GetSpacing(), abs=1e-6)
    assert found.GetDirection() == pytest.approx(expected.GetDirection(), abs=1e-7)
    assert np.array_equal(sitk.GetArrayFromImage(found), sitk.GetArrayFromImage(expected))


@pytest.mark.parametrize("name", GEOMETRIES)
def test_the_centre_of_each_segment_is_that_of_its_label_in_world_millimetres(placed, name):
    segmentation = read(placed[name], name)
    image = nib.load(placed[name] / f"{name}_seg.nii.gz")
    label = np.asarray(image.dataobj)
    affine_mm = np.diag(
        [*[{"micron": 1e-3, "meter": 1e3}.get(image.header.get_xyzt_units()[0], 1)] * 3, 1]
    )
    for segment in segmentation["segments"]:
        voxels = np.argwhere(segmentation["voxels"] == segment["labelValue"])
        found_lps = apply_affine(segmentation["ijkToLPS"], voxels.mean(axis=0))
        expected = apply_affine(
            affine_mm @ image.affine, np.argwhere(label == segment["labelValue"]).mean(axis=0)
        )
        assert found_lps * [-1, -1, 1] == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize(
    ("anatomy", "code", "keys"),
    [
        (None, ("79654002", "Edema"), {"contextName", "category", "type"}),
        (("12738006", "Brain"), None, None),
    ],
    ids=["no place", "no code"],
)
def test_terms_that_a_task_does_not_declare_are_left_out(tmp_path, anatomy, code, keys):
    labels = tuple(replace(label, code=code) for label in DEFAULT_TASK.labels)
    task = replace(DEFAULT_TASK, labels=labels, anatomy=anatomy)
    for segment in read(write(tmp_path, task=task))["segments"]:
        terms = segment.get("terminology")
        filled = terms and {key for key, value in terms.items() if any(value)}
        assert filled == keys


def test_slicerio_extracts_a_segment_by_its_terms(tmp_path):
    segmentation = read(write(tmp_path))
    terms = {
        "category": ["SCT", "49755003"],
        "type": ["SCT", "79654002"],
        "anatomicRegion": ["SCT", "12738006"],
    }
    oedema = slicerio.extract_segments(segmentation, [(terms, 9)])
    assert np.array_equal(oedema["voxels"], 9 * (blocks(SHAPE) == 2))


@pytest.mark.parametrize("present", [(), (3,), (1, 2)], ids=str)
def test_a_segment_without_voxels_is_listed_too(tmp_path, present):
    label = blocks(SHAPE) * np.isin(blocks(SHAPE), present)
    segmentation = read(write(tmp_path, label.astype(np.uint8)))
    assert slicerio.segment_names(segmentation) == ["necrotic core", "oedema", "enhancing tumour"]
    assert set(np.unique(segmentation["voxels"])) == {0, *present}


def test_the_voxels_are_compressed(tmp_path):
    label = np.zeros((50, 60, 70), np.uint8)
    label[10:20, 10:20, 10:20] = 1
    path = write(tmp_path, label, grid=replace(GRID, shape=label.shape)) / NAMES[0]
    assert nrrd.read_header(str(path))["encoding"] == "gzip"
    assert path.stat().st_size < label.size / 20


def test_a_rerun_at_another_time_writes_the_same_bytes(tmp_path, monkeypatch):
    folder = write(tmp_path)
    before = {name: (folder / name).read_bytes() for name in NAMES}

    class Later(datetime):
        @classmethod
        def utcnow(cls):
            return datetime(2050, 1, 2, tzinfo=UTC)

    monkeypatch.setattr(nrrd.writer, "datetime", Later)
    write(tmp_path)
    assert {name: (folder / name).read_bytes() for name in NAMES} == before


def test_nothing_of_the_names_of_case_and_images_stands_in_the_files(tmp_path):
    """A name may hold what is code or a field elsewhere; where it is not written, it cannot do
    harm.
    """
    plain = write(tmp_path)
    odd_id = "größe' |~^ $(x)"
    odd = write(tmp_path, case_id=odd_id, images='/data/"""\n:=')
    for mine, theirs in zip(slicer_file_names(odd_id), NAMES, strict=True):
        assert (odd / mine).read_bytes() == (plain / theirs).read_bytes()


@pytest.mark.parametrize("modalities", [MODALITIES, ("t2w",)], ids=" ".join)
def test_the_three_files_come_beside_the_maps_and_only_where_asked_for(tmp_path, modalities):
    with_files = names(write(tmp_path / "with", modalities=modalities))
    without = names(write(tmp_path / "without", modalities=modalities, slicer=False))
    assert set(with_files) - set(without) == {
        "case7.seg.nrrd",
        "case7_seg.ctbl",
        "load_in_slicer.py",
    }
    assert set(without) < set(with_files)


def test_a_rerun_without_them_removes_the_files_and_nothing_else(tmp_path):
    folder = write(tmp_path)
    foreign = ["mine.seg.nrrd", "case70.seg.nrrd", "mine_seg.ctbl", "load.py", "scene.mrml"]
    for name in foreign:
        (folder / name).write_bytes(b"not ours")
    write(tmp_path, slicer=False)
    assert not set(NAMES) & set(names(folder))
    assert set(foreign) <= set(names(folder))


def test_the_json_appears_after_the_files_for_slicer(tmp_path, monkeypatch):
    seen = []

    def replaced(path, target):
        if target.parent == tmp_path / "case7":
            seen.append(target.name)
        return original(path, target)

    original = type(tmp_path).replace
    monkeypatch.setattr(type(tmp_path), "replace", replaced)
    write(tmp_path)
    assert set(NAMES) < set(seen)
    assert seen[-1] == "case7.json"


def test_a_failure_while_they_are_written_leaves_an_earlier_result_whole(tmp_path, monkeypatch):
    folder = write(tmp_path)
    before = {name: (folder / name).read_bytes() for name in names(folder)}

    def fail(self, stage, result):
        (stage / "case7.seg.nrrd").write_text("half")
        raise OSError(28, "full")

    monkeypatch.setattr(SlicerFiles, "write", fail)
    with pytest.raises(OutputError, match="full"):
        write(tmp_path, np.zeros(SHAPE, np.uint8))
    assert {name: (folder / name).read_bytes() for name in names(folder)} == before
