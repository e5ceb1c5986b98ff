"""After reading, voxels are 0 outside and nowhere else, as the task says what is outside."""

import numpy as np
import pytest

from bundle.cases.case_loader import LoadCased
from bundle.errors import CaseError
from bundle.volumes.common_grid import read_input
from bundle.volumes.geometry import grid_from_affine
from bundle.volumes.image_volume import read_channels, read_volume
from bundle.volumes.intensities import check_intensities
from bundle.volumes.outside import INSIDE
from tests.tasks.own_task import declared
from tests.volumes.nifti_samples import AFFINE, SHAPE, save

AIR = -1000


@pytest.fixture
def head():
    """Water and tissue around 0 inside a margin of air."""
    data = np.full(SHAPE, AIR, np.float32)
    inner = (slice(1, -1),) * 3
    rng = np.random.default_rng(0)
    data[inner] = rng.integers(-199, 300, data[inner].shape)
    data[1, 1, 1:5] = 0, -100, -200, 300
    return data


def test_below_a_threshold_all_is_0_and_above_it_nothing(head, tmp_path):
    data, warnings = check_intensities(head.copy(), task=declared(tmp_path, outside="-900"))
    assert np.array_equal(data == 0, head < -900)
    assert np.array_equal(data[head >= -900], head[head >= -900] + 900)
    assert warnings == ()


def test_a_voxel_at_the_threshold_is_inside(head, tmp_path):
    data, _ = check_intensities(head.copy(), task=declared(tmp_path, outside="-100"))
    assert np.array_equal(data == 0, head < -100)
    assert data[1, 1, 2] == INSIDE


def test_nan_around_a_volume_is_outside_even_if_0_is_inside(head, tmp_path):
    task = declared(tmp_path, outside="-900")
    data, (warning,) = check_intensities(np.where(head == AIR, np.nan, head), task=task)
    assert np.array_equal(data == 0, head == AIR)
    assert "NaN" in warning


def test_where_nothing_is_outside_no_voxel_is_0_and_the_others_stay(head, tmp_path):
    data, warnings = check_intensities(head.copy(), task=declared(tmp_path, outside="null"))
    assert np.array_equal(data, np.where(head == 0, INSIDE, head))
    assert data.all()
    assert warnings == ()


def test_a_background_of_nan_is_the_darkest_value_where_nothing_is_outside(head, tmp_path):
    task = declared(tmp_path, outside="null")
    data, (warning,) = check_intensities(np.where(head == AIR, np.nan, head), task=task)
    assert data.all()
    assert set(data[head == AIR]) == {-200}
    assert "set to -200" in warning


def test_a_background_of_another_value_is_mended_only_in_skull_stripped_brains(head, tmp_path):
    kept, warnings = check_intensities(head.copy(), task=declared(tmp_path))
    assert np.array_equal(kept, head)
    assert warnings == ()
    stripped, (warning,) = check_intensities(
        head.copy(), task=declared(tmp_path, skull_stripped="true")
    )
    assert np.array_equal(stripped == 0, head == AIR)
    assert "outside of the brain" in warning


def test_a_volume_that_is_all_outside_is_refused_with_both_numbers(head, tmp_path):
    with pytest.raises(CaseError, match=r"of 500 or more.*got 300 at most") as caught:
        check_intensities(head, task=declared(tmp_path, outside="500"))
    assert caught.value.code == "E_ALL_ZERO"


def test_files_4d_files_arrays_and_what_is_read_again_are_all_told_what_is_outside(head, tmp_path):
    task = declared(tmp_path, outside="-900")
    file = save(tmp_path / "a-pd.nii", data=head.astype(np.int16))
    series = save(tmp_path / "b.nii", data=np.stack([head, -head], axis=3).astype(np.int16))
    grid = grid_from_affine(SHAPE, AFFINE)
    options = {"case_id": "x", "task": task}
    images = [
        read_volume(file, modality="pd", **options).data,
        read_channels(series, {"pd": 0}, 2, **options)["pd"].data,
        read_input({"file": file}, grid, modality="pd", **options).data,
        LoadCased(task=task)({"image": {"pd": file}, "case_id": "x"})["image"][0].numpy(),
        LoadCased(task=task)({"image": {"pd": head}, "affine": AFFINE, "case_id": "x"})["image"][0],
    ]
    for image in images:
        assert np.array_equal(np.asarray(image) == 0, head < -900)
