import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813

from bundle.registration.pyramid import resampled
from bundle.registration.world import (
    distance_mm,
    euler_of,
    move_of,
    pulling,
    to_array,
    to_itk,
    turning,
)
from tests.volumes.nifti_samples import itk_image

MOVE = turning((10.0, -20.0, 30.0), np.array([5.0, 7.0, -9.0]), np.array([1.0, 2.0, 3.0]))
AFFINE = np.array([[0, -1.5, 0, 4], [1, 0, 0, -8], [0, 0, 3, 2], [0, 0, 0, 1]], float)


def test_a_volume_lies_in_itk_where_it_lies_in_its_file():
    data = np.random.default_rng(0).random((5, 6, 7), np.float32)
    ours, theirs = to_itk(data, AFFINE), itk_image(data, AFFINE)
    index = (4, 2, 5)
    assert ours.TransformIndexToPhysicalPoint(index) == pytest.approx(
        theirs.TransformIndexToPhysicalPoint(index)
    )
    assert np.array_equal(to_array(ours), data)


def test_a_move_survives_its_way_through_itk():
    assert move_of(euler_of(MOVE, np.array([30.0, -4.0, 2.0]))) == pytest.approx(MOVE, abs=1e-9)


def test_what_a_move_displaces_is_found_where_it_went():
    data = np.zeros((5, 6, 7), np.float32)
    data[2, 3, 4] = 1
    affine_moved = MOVE @ AFFINE
    grid = sitk.Image([5, 6, 7], sitk.sitkUInt8)
    grid.CopyInformation(to_itk(data, affine_moved))
    assert to_array(resampled(to_itk(data, AFFINE), grid, pulling(MOVE))) == pytest.approx(
        data, abs=1e-5
    )


def test_the_distance_of_two_moves_is_how_far_apart_they_put_points():
    shift = turning((0.0, 0.0, 0.0), np.zeros(3), np.array([3.0, 0.0, 4.0]))
    assert distance_mm(shift, np.eye(4), np.random.default_rng(0).random((9, 3))) == pytest.approx(
        5
    )
