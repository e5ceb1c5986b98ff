from dataclasses import replace

import numpy as np
import pytest

from bundle.volumes.geometry import (
    corner_shift_voxels,
    grid_from_affine,
    orthonormalised,
    same_grid,
    shear_cosine,
    spacing_mm,
)
from bundle.volumes.nifti_forms import qform_affine, sform_affine

SHAPE = (5, 6, 7)


def shifted(x_mm):
    affine = np.diag([2.0, 1, 3, 1])
    affine[0, 3] = x_mm
    return affine


def test_spacing_is_the_length_of_each_column():
    affine = np.array([[0, -2, 0, 9], [1.5, 0, 0, 9], [0, 0, 5, 9], [0, 0, 0, 1]])
    assert spacing_mm(affine) == pytest.approx([1.5, 2, 5])


def test_a_translation_moves_the_corners_by_its_length_in_voxels():
    assert corner_shift_voxels(shifted(0), shifted(3), SHAPE) == pytest.approx(1.5)


def test_a_wrong_spacing_shows_at_the_far_corner():
    assert corner_shift_voxels(np.eye(4), np.diag([1, 1, 1.5, 1]), SHAPE) == pytest.approx(3)


@pytest.mark.parametrize(
    ("shift_mm", "is_same"), [(0, True), (0.19, True), (0.21, False), (30, False)]
)
def test_grids_are_the_same_up_to_a_tenth_of_a_voxel(shift_mm, is_same):
    assert (
        same_grid(grid_from_affine(SHAPE, shifted(0)), grid_from_affine(SHAPE, shifted(shift_mm)))
        is is_same
    )


def test_grids_of_different_shape_are_not_the_same():
    assert not same_grid(
        grid_from_affine(SHAPE, shifted(0)), grid_from_affine((7, 6, 5), shifted(0))
    )


@pytest.mark.parametrize("flip", [1, -1])
def test_both_forms_of_a_new_grid_say_its_affine(flip):
    turn = np.array([[0.36, 0.48, -0.8], [-0.8, 0.6, 0], [0.48, 0.64, 0.6]])
    affine = np.eye(4)
    affine[:3] = np.column_stack([turn * [1, 2, 3 * flip], [10, -20, 30]])
    grid = grid_from_affine(SHAPE, affine)
    assert sform_affine(grid.header) == pytest.approx(affine)
    assert qform_affine(grid.header) == pytest.approx(affine)
    assert grid.is_anchored


def test_a_grid_without_position_is_not_the_same_as_one_that_happens_to_lie_there():
    placed = grid_from_affine(SHAPE, shifted(0))
    unplaced = replace(placed, header=replace(placed.header, sform_code=0, qform_code=0))
    assert not same_grid(placed, unplaced)
    assert same_grid(unplaced, unplaced)


def test_shear_is_measured_whatever_the_spacing():
    affine = np.diag([1.0, 1, 5, 1])
    assert shear_cosine(affine) == 0
    affine[0, 2] = 0.05
    assert shear_cosine(affine) == pytest.approx(0.01, rel=1e-3)


def test_straightened_axes_are_perpendicular_and_keep_spacing_and_origin():
    affine = shifted(4)
    affine[0, 2] = 0.01
    straight = orthonormalised(affine)
    assert shear_cosine(straight) < 1e-12
    assert spacing_mm(straight) == pytest.approx(spacing_mm(affine))
    assert straight[:3, 3] == pytest.approx(affine[:3, 3])
    assert straight == pytest.approx(affine, abs=0.011)


def test_orthogonal_axes_are_left_alone():
    assert orthonormalised(shifted(4)) == pytest.approx(shifted(4))
