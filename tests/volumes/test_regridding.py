import numpy as np
import pytest
from nibabel.affines import apply_affine
from scipy.spatial.transform import Rotation

from bundle.volumes.geometry import grid_from_affine
from bundle.volumes.regridding import resampled_to

SHAPE = (9, 11, 13)


def grid(shape=SHAPE, spacing=(1, 1, 1), degrees=(0, 0, 0), origin=(0, 0, 0)):
    affine = np.eye(4)
    affine[:3, :3] = Rotation.from_euler("xyz", degrees, degrees=True).as_matrix() * spacing
    affine[:3, 3] = origin
    return grid_from_affine(shape, affine)


def plane(lying_on, normal, moved_by=None):
    """A map that grows evenly along a direction: what linear interpolation keeps exactly."""
    places = apply_affine(lying_on.affine, np.moveaxis(np.indices(lying_on.shape), 0, -1))
    places = places if moved_by is None else apply_affine(moved_by, places)
    return (places @ normal).astype(np.float32)


def test_a_map_on_its_own_grid_stays_as_it_is():
    values = np.random.default_rng(0).random(SHAPE, np.float32)
    assert np.array_equal(resampled_to(grid(), values, grid(), np.eye(4)), values)


@pytest.mark.parametrize("degrees", [(0, 0, 0), (7, -4, 11)])
def test_a_map_that_grows_evenly_is_met_exactly_on_another_grid_also_after_a_move(degrees):
    own = grid((30, 32, 34), (1, 1.5, 2), origin=(-10, -12, -8))
    target = grid((4, 5, 6), (2, 1, 3), degrees, origin=(1, 2, 3))
    moved_by = np.eye(4)
    moved_by[:3, :3] = Rotation.from_euler("xyz", (3, 2, -5), degrees=True).as_matrix()
    moved_by[:3, 3] = (1.5, -2, 0.5)
    normal = np.array([0.3, -0.5, 0.7])
    found = resampled_to(target, plane(own, normal), own, moved_by)
    assert found == pytest.approx(plane(target, normal, moved_by), abs=1e-4)


def test_outside_of_a_map_is_nothing():
    values = np.ones(SHAPE, np.float32)
    found = resampled_to(grid((3, 3, 3), origin=(20, 0, 0)), values, grid(), np.eye(4))
    assert not found.any()
