"""Exams whose place is known: a stand-in says where a scan lies, so that nothing else is tested here."""

import json

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813

from bundle.cases.case_loader import LoadCased
from bundle.cases.case_record import CaseRecord
from bundle.errors import CaseError, OutputError, SetupError
from bundle.preparing.exam import ExamPreparer
from bundle.preparing.options import PrepareOptions
from bundle.registration.registration import Registration
from bundle.tasks.default import DEFAULT_TASK
from bundle.volumes.geometry import grid_from_affine
from bundle.volumes.nifti_output import write_volume
from tests.volumes.nifti_samples import save, scan

SHAPE = (20, 18, 16)
AFFINE = np.diag([-1.0, -1.0, 1.0, 1.0])
SHIFT = np.array([[1, 0, 0, 2], [0, 1, 0, -3], [0, 0, 1, 1], [0, 0, 0, 1]], float)  # mm
STAYS = Registration(np.eye(4), {"gain": 0.0})


def brain(seed, shape=SHAPE):
    data = np.zeros(shape, np.float32)
    inner = tuple(slice(4, size - 4) for size in shape)
    data[inner] = np.random.default_rng(seed).uniform(10, 100, data[inner].shape)
    return data


def written(path, data, affine=AFFINE):
    write_volume(path, data, grid_from_affine(data.shape, affine))
    return path


@pytest.fixture
def files(tmp_path):
    """Four scans on one grid, with names that are no case's."""
    folder = tmp_path / "in"
    folder.mkdir()
    return {
        name: written(folder / f"{name}.nii.gz", brain(number))
        for number, name in enumerate(DEFAULT_TASK.modality_names)
    }


def no_extractor():
    raise SetupError("E_SKULL", "The extra skull must be installed.")


def prepared(files, out, register=lambda *_: STAYS, get_extractor=no_extractor, **options):
    preparer = ExamPreparer(PrepareOptions(**options), DEFAULT_TASK, get_extractor, register)
    return preparer.prepare(files, out, "case")


def values(folder, modality):
    return np.asarray(nib.load(folder / f"case-{modality}.nii.gz").dataobj)


def record(folder) -> CaseRecord:
    return CaseRecord.from_json(LoadCased()({"case_id": "case", "image": folder})["record"])


# ---- Geometry ------------------------------------------------------------------


def test_an_exam_that_is_a_case_already_is_copied_byte_by_byte(files, tmp_path):
    exam = prepared(files, tmp_path / "case")
    for name, path in files.items():
        assert (tmp_path / "case" / f"case-{name}.nii.gz").read_bytes() == path.read_bytes()
    assert not any(scan.resampled for scan in exam.modalities.values())
    assert (exam.reference, exam.brain_by) == ("t1c", "")


def test_a_scan_lies_where_its_registration_says(files, tmp_path):
    moved = brain(9)
    files["t2f"] = written(tmp_path / "t2f.nii.gz", moved, np.linalg.inv(SHIFT) @ AFFINE)
    exam = prepared(
        files,
        tmp_path / "case",
        lambda scan, _: Registration(SHIFT, {"gain": 2.0}) if scan.path == files["t2f"] else STAYS,
    )
    assert np.allclose(values(tmp_path / "case", "t2f"), moved, atol=1e-3)
    image = nib.load(tmp_path / "case" / "case-t2f.nii.gz")
    assert np.array_equal(image.affine, AFFINE)
    scans = exam.modalities
    assert np.array_equal(scans["t2f"].to_prepared, SHIFT)
    assert (scans["t2f"].resampled, scans["t2f"].quality) == (True, {"gain": 2.0})
    assert np.array_equal(scans["t2f"].grid.affine, np.linalg.inv(SHIFT) @ AFFINE)


def test_a_scan_that_was_far_away_is_warned_of(files, tmp_path):
    far = Registration(SHIFT, {"moved_mm": 38.2})
    exam = prepared(files, tmp_path / "case", lambda *_: far)
    assert exam.warnings[0].startswith("t1n: it was moved by 38 mm to fit t1c")


@pytest.mark.parametrize("tilt", [0, 20])
def test_a_coarse_oblique_scan_comes_onto_the_grid_of_the_reference(files, tmp_path, tilt):
    """A field that is linear in space is itself after linear interpolation."""
    turn = np.eye(4)
    cos, sin = np.cos(np.radians(tilt)), np.sin(np.radians(tilt))
    turn[1:3, 1:3] = [[cos, -sin], [sin, cos]]
    affine = turn @ np.diag([2.0, 2.0, 3.0, 1.0])
    affine[:3, 3] = [-40, -45, -20]
    places = np.stack(np.meshgrid(*map(np.arange, (30, 30, 30)), indexing="ij"), axis=-1)
    world = places @ affine[:3, :3].T + affine[:3, 3]
    data = (500 + world @ [1.0, 2.0, -1.5]).astype(np.float32)
    files["t2w"] = written(tmp_path / "t2w.nii.gz", data, affine)
    prepared(files, tmp_path / "case")
    found = values(tmp_path / "case", "t2w")
    target = np.stack(np.meshgrid(*map(np.arange, SHAPE), indexing="ij"), axis=-1)
    expected = 500 + (target @ AFFINE[:3, :3].T + AFFINE[:3, 3]) @ [1.0, 2.0, -1.5]
    inside = found != 0
    assert inside.mean() > 0.5
    assert np.allclose(found[inside], expected[inside], atol=0.01)
    read = sitk.ReadImage(str(tmp_path / "case" / "case-t2w.nii.gz"))
    assert read.GetSize() == SHAPE
    assert read.GetOrigin() == sitk.ReadImage(str(files["t1c"])).GetOrigin()


def test_what_interpolation_leaves_around_a_brain_is_outside(files, tmp_path):
    half = np.eye(4)
    half[:3, 3] = 0.25
    prepared(files, tmp_path / "case", lambda *_: Registration(half))
    edge = values(tmp_path / "case", "t2f") != 0
    assert edge.sum() <= (brain(3) != 0).sum()


def test_axes_in_another_order_are_no_reason_to_interpolate(files, tmp_path):
    data = brain(9)
    flipped = AFFINE @ np.diag([1.0, 1, -1, 1])
    flipped[2, 3] = SHAPE[2] - 1
    files["t2f"] = written(tmp_path / "t2f.nii.gz", data[:, :, ::-1], flipped)
    exam = prepared(files, tmp_path / "case")
    assert np.array_equal(values(tmp_path / "case", "t2f"), data)
    assert not exam.modalities["t2f"].resampled


# ---- The reference -------------------------------------------------------------


def test_the_finest_scan_is_the_reference_and_of_several_the_first_that_viewers_open(
    files, tmp_path
):
    assert prepared(files, tmp_path / "a").reference == "t1c"
    thick = AFFINE @ np.diag([1.0, 1, 3, 1])
    for seed, name in ((11, "t1c"), (12, "t2f")):
        files[name] = written(tmp_path / f"{name}.nii.gz", brain(seed)[:, :, ::3], thick)
    assert prepared(files, tmp_path / "b").reference == "t2w"
    assert prepared(files, tmp_path / "c", reference="t2f").reference == "t2f"


def test_a_reference_that_was_not_acquired_is_refused(files, tmp_path):
    del files["t2f"]
    with pytest.raises(
        CaseError, match="the reference t2f must be one of its scans; got t1n, t1c, t2w"
    ):
        prepared(files, tmp_path / "case", reference="t2f")


# ---- Registrations that fail ---------------------------------------------------


def fails(scan, _):
    return (
        Registration(np.eye(4), {}, "its searches end apart") if "t2w" in scan.path.name else STAYS
    )


def test_an_exam_with_a_scan_that_cannot_be_registered_is_refused(files, tmp_path):
    with pytest.raises(
        CaseError, match=r"t2w: .* registered to t1c; got: its searches end apart"
    ) as error:
        prepared(files, tmp_path / "case", fails)
    assert error.value.code == "E_REGISTRATION"
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_or_goes_on_without_it_and_says_so(files, tmp_path):
    exam = prepared(files, tmp_path / "case", fails, leave_out_failed=True)
    assert list(exam.modalities) == ["t1n", "t1c", "t2f"]
    assert "t2w is left out: its registration to t1c failed" in exam.warnings[0]
    found = record(tmp_path / "case")
    assert found.missing == ("t2w",)
    assert exam.warnings[0] in found.warnings


def test_a_scan_of_unknown_position_cannot_be_brought_onto_others(files, tmp_path):
    files["t2w"] = save(tmp_path / "t2w.nii.gz", data=scan((9, 9, 9)), codes=(0, 0))
    with pytest.raises(CaseError, match=r"t2w .*must say where its voxels lie"):
        prepared(files, tmp_path / "case")


# ---- The brain -----------------------------------------------------------------


def test_outside_of_a_mask_everything_is_0_on_whichever_grid_it_was_drawn(files, tmp_path):
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    affine[:3, 3] = [-20, -18, 0]
    files["t2w"] = written(
        tmp_path / "t2w.nii.gz",
        np.full((12, 11, 9), 5, np.float32) + np.arange(9, dtype=np.float32),
        affine,
    )
    mask = np.zeros((12, 11, 9), np.uint8)
    mask[4:8, 4:8, 3:6] = 1
    file = written(tmp_path / "mask.nii.gz", mask, affine)
    exam = prepared(files, tmp_path / "case", brain_mask=file)
    inside = [values(tmp_path / "case", name) != 0 for name in files]
    assert all(one.sum() <= 8 * 8 * 6 for one in inside)
    assert inside[1].any()
    assert exam.brain_by == "the mask mask.nii.gz"


def test_a_mask_on_no_scans_grid_is_refused(files, tmp_path):
    mask = np.zeros((5, 5, 5), np.uint8)
    mask[2, 2, 2] = 1
    with pytest.raises(CaseError, match="must lie on the grid of t1n or t1c or t2w or t2f"):
        prepared(files, tmp_path / "case", brain_mask=written(tmp_path / "mask.nii.gz", mask))


# ---- What is written -----------------------------------------------------------


def test_the_case_says_how_it_was_prepared(files, tmp_path):
    exam = prepared(files, tmp_path / "case")
    found = record(tmp_path / "case").prepared
    assert found is not None
    assert found.to_facts() == exam.to_facts()
    assert found.modalities["t1c"].file == str(files["t1c"])


def test_what_is_said_of_other_images_is_not_believed(files, tmp_path):
    prepared(files, tmp_path / "case")
    written(tmp_path / "case" / "case-t2f.nii.gz", brain(77))
    found = record(tmp_path / "case")
    assert found.prepared is None
    assert any("case_prepare.json is not believed" in text for text in found.warnings)


def test_a_broken_word_is_not_believed_either(files, tmp_path):
    prepared(files, tmp_path / "case")
    (tmp_path / "case" / "case_prepare.json").write_text("{}")
    assert any(
        "cannot be read: prepare the exam again" in text
        for text in record(tmp_path / "case").warnings
    )


def test_a_case_is_prepared_again_but_nothing_else_is_replaced(files, tmp_path):
    prepared(files, tmp_path / "case")
    del files["t2f"]
    prepared(files, tmp_path / "case")
    assert sorted(path.name for path in (tmp_path / "case").iterdir()) == [
        "case-t1c.nii.gz", "case-t1n.nii.gz", "case-t2w.nii.gz", "case_prepare.json",
    ]  # fmt: skip
    (tmp_path / "case" / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match="holds something else"):
        prepared(files, tmp_path / "case")
    with pytest.raises(OutputError, match="holds something else"):
        prepared(files, tmp_path / "in")


def test_one_scan_twice_is_refused(files, tmp_path):
    files["t2f"] = written(tmp_path / "copy.nii.gz", brain(0))
    with pytest.raises(CaseError, match="the same voxels for t1n"):
        prepared(files, tmp_path / "case")


def test_other_formats_become_nifti(files, tmp_path):
    files["t1n"] = save(tmp_path / "t1n.nii", data=scan(SHAPE), affine=AFFINE)
    prepared(files, tmp_path / "case")
    assert np.array_equal(values(tmp_path / "case", "t1n"), scan(SHAPE))
    facts = json.loads((tmp_path / "case" / "case_prepare.json").read_text())
    assert facts["images"].keys() == files.keys()
