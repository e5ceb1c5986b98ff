"""Backgrounds, outliers and units that other software leaves: what the network sees must not depend
on them.
"""

import numpy as np
import pytest
from scipy import ndimage

from bundle.errors import CaseError
from bundle.phantoms.phantom_cases import draw_phantom
from bundle.volumes.background import connected_to_faces, faces
from bundle.volumes.intensities import check_intensities

SHAPE = (48, 56, 40)


@pytest.fixture(scope="module")
def brain():
    """A drawn FLAIR, float32, exactly 0 outside of the brain."""
    return draw_phantom(seed=3, shape=SHAPE).images["t2f"].astype(np.float32)


@pytest.fixture(scope="module")
def rng():
    return np.random.default_rng(0)


def z_scores(data):
    inside = data != 0
    values = data[inside].astype(np.float64)
    return np.where(inside, (data - values.mean()) / values.std(), 0)


def normalised(brain):
    return np.where(brain != 0, z_scores(brain), np.nan)


def padded(brain, value):
    """A background that is `value` near the brain and 0 far from it, as after turning a masked
    scan.
    """
    data = np.where(brain != 0, brain, value)
    data[:6], data[:, -5:] = 0, 0
    return np.where(brain != 0, brain, data)


BACKGROUNDS = {
    "minus 1": lambda b: np.where(b != 0, b, -1),
    "plus 1": lambda b: np.where(b != 0, b, 1),
    "minus 1024": lambda b: np.where(b != 0, b, -1024),
    "all shifted by 1024": lambda b: b - 1024,
    "an intercept": lambda b: b + np.float32(0.00213),
    "in the middle of the z-scores": lambda b: np.nan_to_num(normalised(b), nan=1.5),
    "above everything": lambda b: np.where(b != 0, b, 40000),
    "NaN": lambda b: np.where(b != 0, b, np.nan),
    "NaN around z-scores": normalised,
    "air and padding": lambda b: padded(b, -1024),
    "noise": lambda b: np.where(
        b != 0, b, np.random.default_rng(0).normal(0, 0.0004 * b.max(), b.shape)
    ),
    "noise around -3": lambda b: np.where(
        b != 0, z_scores(b), np.random.default_rng(0).normal(-8, 0.002, b.shape)
    ),
}


@pytest.mark.parametrize("name", BACKGROUNDS)
def test_a_background_other_than_0_gives_what_0_gives_and_is_told(brain, name):
    data, warnings = check_intensities(BACKGROUNDS[name](brain).astype(np.float32))
    assert np.array_equal(data == 0, brain == 0)
    assert z_scores(data) == pytest.approx(z_scores(brain), abs=2e-4)
    assert len(warnings) == 1
    assert "background" in warnings[0]


def test_the_minimum_of_z_scores_as_background_costs_at_most_the_voxels_that_have_it(brain):
    z = normalised(brain)
    data, (warning,) = check_intensities(np.where(brain != 0, z, np.nanmin(z)).astype(np.float32))
    assert np.count_nonzero((data == 0) != (brain == 0)) <= np.count_nonzero(z == np.nanmin(z))
    assert "-" in warning
    assert "instead of 0" in warning


def test_a_background_of_0_is_left_as_it_is_to_the_last_bit(brain):
    data, warnings = check_intensities(brain.copy())
    assert np.array_equal(data, brain)
    assert warnings == ()


def test_what_a_spline_leaves_around_the_brain_is_background(brain):
    moved, linear = (ndimage.shift(brain, (0.4, 0.3, 0.2), order=order) for order in (3, 1))
    data, (warning,) = check_intensities(moved.copy())
    assert np.count_nonzero(moved) > 2 * np.count_nonzero(linear)
    assert np.count_nonzero(data) < 1.3 * np.count_nonzero(linear)
    assert "interpolation" in warning


def test_noise_as_strong_as_dark_tissue_is_not_taken_for_background(brain, rng):
    noise = np.abs(rng.normal(0, 0.05 * brain.max(), SHAPE)).astype(np.float32)
    head = np.where(brain != 0, brain, noise)
    data, _ = check_intensities(head.copy())
    assert np.array_equal(data, head)


def test_a_brain_that_fills_its_box_has_no_background_to_find(rng):
    full = rng.integers(1, 1000, SHAPE).astype(np.float32)
    data, warnings = check_intensities(full.copy())
    assert np.array_equal(data, full)
    assert warnings == ()


@pytest.mark.parametrize("factor", [1e-38, 1e-30, 1e-12, 1e12, 1e20, 1e32])
def test_units_do_not_matter_however_large_or_small(brain, factor):
    data, (warning,) = check_intensities(brain * np.float32(factor))
    assert z_scores(data) == pytest.approx(z_scores(brain), abs=1e-2 if factor == 1e-38 else 1e-4)
    assert np.isfinite(np.square(data).sum(dtype=np.float32))
    assert "units" in warning


@pytest.mark.parametrize("value", [1e5, 3e38, -3e38, 65535, -32768])
def test_a_few_voxels_that_are_no_signal_do_not_change_the_others(brain, value, rng):
    places = np.argwhere(brain != 0)[rng.choice(np.count_nonzero(brain), 5, replace=False)]
    data = brain.copy()
    data[tuple(places.T)] = value
    data, (warning,) = check_intensities(data)
    assert np.abs(z_scores(data) - z_scores(brain)).max() < 4
    others = np.ones(SHAPE, bool)
    others[tuple(places.T)] = False
    assert z_scores(data)[others] == pytest.approx(z_scores(brain)[others], abs=0.02)
    assert "5 voxels are" in warning


def test_one_hot_voxel_in_the_background_becomes_background(brain):
    data = brain.copy()
    data[1, 2, 3] = 1e6
    data, (warning,) = check_intensities(data)
    assert np.array_equal(data, brain)
    assert "1 voxel is 1e+06" in warning


def test_outliers_of_several_sizes_are_all_found(brain):
    data = brain.copy()
    places = np.argwhere(brain != 0)[[500, 900, 4000]]
    data[tuple(places.T)] = (1e4, 1e6, 1e30)
    data, (warning,) = check_intensities(data)
    assert data.max() == brain.max()
    assert "3 voxels are" in warning


def test_a_rim_of_wrapped_numbers_is_refused(brain, rng):
    places = np.argwhere(brain != 0)[
        rng.choice(np.count_nonzero(brain), np.count_nonzero(brain) // 100, replace=False)
    ]
    data = brain.copy()
    data[tuple(places.T)] = 65535 - rng.integers(0, 60, len(places))
    with pytest.raises(CaseError, match="wrapped around") as caught:
        check_intensities(data)
    assert caught.value.code == "E_OUTLIERS"


def test_vessels_and_contrast_agent_are_no_outliers(brain, rng):
    data = brain.copy()
    places = np.argwhere(brain != 0)[rng.choice(np.count_nonzero(brain), 60, replace=False)]
    data[tuple(places.T)] = np.linspace(brain.max(), 5 * brain.max(), 60)
    before = data.copy()
    data, warnings = check_intensities(data)
    assert np.array_equal(data, before)
    assert warnings == ()


def test_a_bright_object_is_no_outlier_however_sharp_its_edge(brain):
    data = brain.copy()
    data[20:24, 25:28, 18:22] = 2 * brain.max() + np.arange(48, dtype=np.float32).reshape(4, 3, 4)
    before = data.copy()
    data, warnings = check_intensities(data)
    assert np.array_equal(data, before)
    assert warnings == ()


def test_a_hole_of_nan_in_the_brain_is_refused_also_where_the_background_is_nan(brain):
    data = np.where(brain != 0, brain, np.nan).astype(np.float32)
    data[20:27, 25:32, 18:25] = np.nan
    with pytest.raises(CaseError, match="nan_to_num"):
        check_intensities(data)


def test_nan_in_the_brain_is_refused_where_the_background_is_0(brain):
    data = brain.copy()
    data[22, 27, 20] = np.nan
    with pytest.raises(CaseError, match="nan_to_num"):
        check_intensities(data)


def test_infinite_voxels_are_never_taken_for_a_background(brain):
    with pytest.raises(CaseError) as caught:
        check_intensities(np.where(brain != 0, brain, np.inf).astype(np.float32))
    assert caught.value.code == "E_NAN"


def test_faces_are_the_six_outer_planes():
    volume = np.zeros((4, 5, 6))
    volume[1:-1, 1:-1, 1:-1] = 1
    assert faces(volume).size == 2 * (20 + 24 + 30)
    assert not faces(volume).any()
    assert faces(1 - volume).all()


def test_only_parts_that_reach_a_face_stay_connected():
    mask = np.zeros((7, 7, 7), bool)
    mask[3, 3, 3] = mask[0:2, 5, 5] = True
    kept = connected_to_faces(mask)
    assert kept[0:2, 5, 5].all()
    assert not kept[3, 3, 3]
