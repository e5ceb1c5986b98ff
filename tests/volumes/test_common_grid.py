"""One grid, however each file orders its axes."""

import itertools

import nibabel as nib
import numpy as np
import pytest
from nibabel.orientations import axcodes2ornt, io_orientation, ornt_transform
from scipy.spatial.transform import Rotation

from bundle.cases.case_loader import LoadCased
from bundle.cases.case_record import CaseRecord
from bundle.errors import CaseError
from bundle.evaluation.predictions import read_prediction
from bundle.volumes.common_grid import on_one_grid, read_input, turned_voxels
from bundle.volumes.geometry import grid_from_affine
from bundle.volumes.image_volume import read_volume
from tests.volumes.nifti_samples import AFFINE, save, scan

ALL_AXES = [
    "".join(code)
    for axes in itertools.permutations(("LR", "PA", "IS"))
    for code in itertools.product(*axes)
]
TILTED = np.array(AFFINE)
TILTED[:3, :3] = Rotation.from_euler("xyz", [0.1, -0.2, 0.15]).as_matrix() @ AFFINE[:3, :3]


def stored_along(path, axes, data=None, affine=AFFINE):
    """The same voxels in the patient, stored along other axes."""
    image = nib.Nifti1Image(scan() if data is None else data, affine)
    nib.save(image.as_reoriented(ornt_transform(io_orientation(affine), axcodes2ornt(axes))), path)
    return path


def make_case(folder, axes, affine=AFFINE, label_axes="RAS"):
    folder.mkdir()
    files = {
        "t1n": stored_along(folder / "x-t1n.nii.gz", "RAS", scan(), affine),
        "t1c": stored_along(folder / "x-t1c.nii.gz", axes, scan(seed=1), affine),
    }
    label = stored_along(folder / "x-seg.nii.gz", label_axes, (scan() % 4).astype(np.uint8), affine)
    return {"image": files, "label": label, "label_convention": "brats2023", "case_id": "x"}


@pytest.mark.parametrize("affine", [AFFINE, TILTED], ids=["straight", "oblique"])
def test_a_case_is_byte_equal_however_its_files_order_their_axes(tmp_path, affine):
    expected = LoadCased(with_label=True)(make_case(tmp_path / "plain", "RAS", affine))
    for axes in ALL_AXES:
        case = LoadCased(with_label=True)(make_case(tmp_path / axes, axes, affine, label_axes=axes))
        assert case["image"].numpy().tobytes() == expected["image"].numpy().tobytes()
        assert case["label"].numpy().tobytes() == expected["label"].numpy().tobytes()
        grid, first = (
            CaseRecord.from_json(text).grid for text in (case["record"], expected["record"])
        )
        assert (grid.shape, grid.header) == (first.shape, first.header)
        warnings = [
            text for text in CaseRecord.from_json(case["record"]).warnings if "reordered" in text
        ]
        assert [text.split(":")[0] for text in warnings] == (
            [] if axes == "RAS" else ["t1c", "label"]
        )


def test_results_lie_on_the_first_modality_in_the_order_of_the_project(tmp_path):
    files = {
        "t2f": stored_along(tmp_path / "f.nii.gz", "RAS", scan(seed=1)),
        "t1n": stored_along(tmp_path / "n.nii.gz", "PIL"),
    }
    case = LoadCased()({"image": files, "case_id": "x"})
    assert CaseRecord.from_json(case["record"]).grid.affine == pytest.approx(
        nib.load(files["t1n"]).affine
    )


@pytest.mark.parametrize(
    "change", ["moved", "larger voxels", "turned by 30 degrees", "other shape", "no position"]
)
def test_another_grid_is_refused_also_along_other_axes(tmp_path, change):
    affine, shape = np.array(AFFINE), (9, 8, 7)
    if change == "moved":
        affine[1, 3] += 2
    elif change == "larger voxels":
        affine[:3, :3] *= 1.1
    elif change == "turned by 30 degrees":
        affine[:3, :3] = Rotation.from_euler("z", 0.52).as_matrix() @ affine[:3, :3]
    elif change == "other shape":
        shape = (9, 9, 7)
    path = stored_along(tmp_path / "b.nii.gz", "PIL", scan(shape, seed=1), affine)
    if change == "no position":
        save(path, data=scan(seed=1), codes=(0, 0))
    volumes = {
        "t1n": read_volume(save(tmp_path / "a.nii.gz"), case_id="x", modality="t1n"),
        "t1c": read_volume(path, case_id="x", modality="t1c"),
    }
    with pytest.raises(CaseError, match="Register and resample") as caught:
        on_one_grid(volumes, "x")
    assert caught.value.code == "E_GRID"


def test_rounding_of_a_header_does_not_hinder_reordering(tmp_path):
    affine = np.array(AFFINE)
    affine[0, 3] += 0.05
    path = stored_along(tmp_path / "b.nii.gz", "LPS", scan(seed=1), affine)
    case = LoadCased()({"image": {"t1n": save(tmp_path / "a.nii.gz"), "t1c": path}, "case_id": "x"})
    assert np.array_equal(case["image"][1], scan(seed=1))


def test_a_segmentation_along_other_axes_is_judged_on_the_grid_of_the_truth(tmp_path):
    labels = (scan() % 4).astype(np.uint8)
    path = stored_along(tmp_path / "x_seg.nii.gz", "SLP", labels)
    grid = grid_from_affine(labels.shape, AFFINE)
    assert np.array_equal(
        read_prediction(path, case_id="x", grid=grid, numbering="brats2023"), labels
    )


def test_an_input_is_read_again_as_the_case_has_it(tmp_path):
    case = LoadCased()(make_case(tmp_path / "a", "PIL"))
    record = CaseRecord.from_json(case["record"])
    again = read_input(record.inputs["t1c"], record.grid, case_id="x", modality="t1c")
    assert np.array_equal(again.data, scan(seed=1))
    save(tmp_path / "a" / "x-t1c.nii.gz", affine=np.diag([1, 1, 2.0, 1]))
    with pytest.raises(CaseError, match="must not change"):
        read_input(record.inputs["t1c"], record.grid, case_id="x", modality="t1c")


def test_voxels_that_lie_right_are_not_copied():
    grid = grid_from_affine((9, 8, 7), AFFINE)
    voxels = scan()
    assert turned_voxels(voxels, grid, grid) is voxels
