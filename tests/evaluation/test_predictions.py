import re

import numpy as np
import pytest

from bundle.data.geometry import Grid
from bundle.data.nifti_reading import read_volume
from bundle.errors import CaseError, UsageError
from bundle.evaluation.predictions import check_predictions, find_prediction, read_prediction
from tests.data.datasets import stripes
from tests.data.nifti_samples import AFFINE, SHAPE, save

TURNED = AFFINE.copy()
TURNED[:2, :2] = [[0, 1], [-1, 0]]
MOVED = AFFINE.copy()
MOVED[0, 3] += 2


@pytest.fixture
def grid(tmp_path) -> Grid:
    """The grid of a truth."""
    return read_volume(save(tmp_path / "truth.nii.gz"), case_id="c", modality="t1n").grid


@pytest.mark.parametrize(
    "name", ["c.nii.gz", "c.nii", "c_seg.nii.gz", "c-seg.nii.gz", "c/c_seg.nii.gz", "c/c.nii", "c/c-seg.nii"]
)
def test_a_segmentation_is_found_by_the_name_of_its_case(tmp_path, name):
    (tmp_path / "c").mkdir()
    (tmp_path / name).touch()
    (tmp_path / "cc_seg.nii.gz").touch()
    assert find_prediction(tmp_path, "c") == tmp_path / name


def test_a_case_without_a_segmentation_is_told_what_was_looked_for(tmp_path):
    with pytest.raises(CaseError, match=re.escape("c_seg.nii.gz, c-seg.nii.gz, c.nii.gz")) as caught:
        find_prediction(tmp_path, "c")
    assert caught.value.code == "E_MISSING"


def test_of_two_segmentations_of_a_case_none_is_chosen(tmp_path):
    (tmp_path / "c.nii.gz").touch()
    (tmp_path / "c_seg.nii.gz").touch()
    with pytest.raises(CaseError, match=re.escape("c_seg.nii.gz and c.nii.gz")) as caught:
        find_prediction(tmp_path, "c")
    assert caught.value.code == "E_AMBIGUOUS"


def test_predictions_are_a_folder(tmp_path):
    assert check_predictions(tmp_path) == tmp_path
    with pytest.raises(UsageError, match="nowhere"):
        check_predictions(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("convention", "stored", "read"),
    [("brats2023", (0, 1, 2, 3), (0, 1, 2, 3)), ("brats2021", (0, 1, 2, 4), (0, 1, 2, 3))],
)
def test_values_are_read_in_the_declared_numbering(tmp_path, grid, convention, stored, read):
    path = save(tmp_path / "c.nii.gz", data=stripes(*stored))
    values = read_prediction(path, case_id="c", grid=grid, convention=convention)
    assert np.array_equal(values, stripes(*read))


def test_a_value_that_the_numbering_does_not_have_is_refused(tmp_path, grid):
    path = save(tmp_path / "c.nii.gz", data=stripes(0, 1, 2, 4))
    with pytest.raises(CaseError, match="4") as caught:
        read_prediction(path, case_id="c", grid=grid, convention="brats2023")
    assert caught.value.code == "E_LABELS"


@pytest.mark.parametrize(
    ("changes", "difference"),
    [
        ({"data": np.zeros((9, 8, 6), np.uint8)}, r"got shape \(9, 8, 6\) instead of \(9, 8, 7\)"),
        ({"affine": MOVED}, r"corners lie up to 2\.00 voxels off"),
        ({"affine": TURNED}, r"corners lie up to .* voxels off"),
    ],
)
def test_a_segmentation_on_another_grid_is_refused_with_the_difference(tmp_path, grid, changes, difference):
    path = save(tmp_path / "c.nii.gz", **{"data": np.zeros(SHAPE, np.uint8), **changes})
    with pytest.raises(CaseError, match=difference) as caught:
        read_prediction(path, case_id="c", grid=grid, convention="brats2023")
    assert caught.value.code == "E_GRID"


def test_a_segmentation_that_does_not_say_where_it_lies_is_refused(tmp_path, grid):
    path = save(tmp_path / "c.nii.gz", data=np.zeros(SHAPE, np.uint8), codes=(0, 0))
    with pytest.raises(CaseError, match="only the one or the other says where it lies"):
        read_prediction(path, case_id="c", grid=grid, convention="brats2023")
