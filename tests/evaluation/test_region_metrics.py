import math
from itertools import permutations

import numpy as np
import pytest
import surface_distance
import torch
from scipy.ndimage import gaussian_filter
from torchmetrics.functional.classification import binary_f1_score, binary_precision, binary_recall

from bundle.evaluation.metrics import REGION_METRICS
from bundle.evaluation.region_metrics import region_metrics
from bundle.evaluation.region_pair import TOLERANCE_MM
from tests.evaluation.sample_scores import LUNG, REGIONS

SHAPE = (9, 10, 11)
SPACING = (1.0, 1.5, 3.0)
VOXEL_ML = 0.0045
DIAGONAL_MM = math.hypot(9 * 1.0, 10 * 1.5, 11 * 3.0)

uses_surface_distance = pytest.mark.filterwarnings(  # version 0.1 calls what SciPy 2 will not have
    "ignore:Please import .* from the .scipy.ndimage. namespace:DeprecationWarning:surface_distance"
)


def box(*spans: tuple[int, int], shape=SHAPE) -> np.ndarray:
    """One box (H, W, D); without spans nothing."""
    mask = np.zeros(shape, bool)
    if spans:
        mask[tuple(slice(*span) for span in spans)] = True
    return mask


CUBE = box((2, 6), (2, 6), (2, 6))
EMPTY = box()


def compare(predicted: np.ndarray, truth: np.ndarray, spacing=SPACING) -> dict[str, float]:
    """Compare masks (H, W, D) as the last of the regions, the others being empty."""
    return region_metrics(
        *(np.stack([0 * mask, 0 * mask, mask]) for mask in (predicted, truth)), spacing
    )[REGIONS[-1]]


def blobs(seed: int, shape=(14, 15, 16)) -> tuple[np.ndarray, np.ndarray]:
    """A prediction and a truth (H, W, D) of a few smooth bodies each, which touch the border and
    each other.

    Further apart the larger the seed: for 0 to 11, Dice of 0.82 to 0.47.
    """
    rng = np.random.default_rng(seed)
    field, noise = (gaussian_filter(rng.normal(size=shape), 2.0) for _ in range(2))
    other = field + (0.2 + 0.1 * seed) * noise
    return other > np.quantile(other, 0.85), field > np.quantile(field, 0.8)


def edge_points(mask: np.ndarray) -> np.ndarray:
    """Places in mm of the voxels of a region that have one of six neighbours outside of it."""
    voxels = {tuple(voxel) for voxel in np.argwhere(mask).tolist()}
    steps = [(1, 0, 0), (-1, 0, 0), (0, 1, 0), (0, -1, 0), (0, 0, 1), (0, 0, -1)]
    edges = [
        v for v in voxels if any((v[0] + a, v[1] + b, v[2] + c) not in voxels for a, b, c in steps)
    ]
    return np.array(edges) * SPACING


def hd95_by_all_distances(predicted: np.ndarray, truth: np.ndarray) -> float:
    """95th percentile of the distances from each edge voxel of one region to the nearest of the
    other, both ways.
    """
    ours, theirs = edge_points(predicted), edge_points(truth)
    distances = np.linalg.norm(ours[:, None] - theirs[None], axis=-1)
    return max(np.percentile(distances.min(axis=1), 95), np.percentile(distances.min(axis=0), 95))


@uses_surface_distance
@pytest.mark.parametrize("seed", range(12))
def test_dice_and_surface_dice_are_those_of_deepmind(seed):
    predicted, truth = blobs(seed)
    found = compare(predicted, truth)
    distances = surface_distance.compute_surface_distances(truth, predicted, SPACING)
    expected = surface_distance.compute_surface_dice_at_tolerance(distances, TOLERANCE_MM)
    assert 0.2 < expected < 0.98
    assert found["surface_dice_1mm"] == pytest.approx(expected, abs=1e-6)
    assert found["dice"] == pytest.approx(
        surface_distance.compute_dice_coefficient(truth, predicted), abs=1e-12
    )


@pytest.mark.parametrize("seed", range(12))
def test_hd95_equals_a_search_among_all_distances_between_edges(seed):
    predicted, truth = blobs(seed)
    assert compare(predicted, truth)["hd95_mm"] == pytest.approx(
        hd95_by_all_distances(predicted, truth), abs=1e-4
    )


@uses_surface_distance
@pytest.mark.parametrize("seed", range(12))
def test_hd95_is_within_a_voxel_of_that_of_deepmind(seed):
    """They are not the same: here edge voxels count alike, there corners of voxels count by the
    area of the surface.
    """
    predicted, truth = blobs(seed)
    distances = surface_distance.compute_surface_distances(truth, predicted, SPACING)
    theirs = surface_distance.compute_robust_hausdorff(distances, 95)
    assert compare(predicted, truth)["hd95_mm"] == pytest.approx(theirs, abs=math.hypot(*SPACING))


@pytest.mark.parametrize("seed", range(4))
def test_overlaps_are_those_of_torchmetrics(seed):
    predicted, truth = blobs(seed)
    found = compare(predicted, truth)
    voxels = torch.from_numpy(predicted).int(), torch.from_numpy(truth).int()
    assert found["dice"] == pytest.approx(float(binary_f1_score(*voxels)))
    assert found["sensitivity"] == pytest.approx(float(binary_recall(*voxels)))
    assert found["precision"] == pytest.approx(float(binary_precision(*voxels)))


@uses_surface_distance
@pytest.mark.parametrize("n_voxels", [1, 2, 3])
@pytest.mark.parametrize("axis", range(3))
def test_a_shifted_cube_is_off_by_the_spacing_of_the_axis(axis, n_voxels):
    """16 of the 56 edge voxels, and more than a twentieth of the surface, are as far away as the
    cube was shifted.
    """
    shifted = np.roll(CUBE, n_voxels, axis)
    found = compare(shifted, CUBE)
    distances = surface_distance.compute_surface_distances(CUBE, shifted, SPACING)
    assert found["hd95_mm"] == pytest.approx(n_voxels * SPACING[axis])
    assert found["hd95_mm"] == pytest.approx(
        surface_distance.compute_robust_hausdorff(distances, 95)
    )
    assert found["dice"] == found["sensitivity"] == found["precision"] == 1 - n_voxels / 4
    assert found["volume_error_ml"] == 0.0


@pytest.mark.parametrize(
    ("off_by_mm", "whole"),
    [(0.5, True), (1.0, True), (1.00001, True), (1.001, False), (3.0, False)],
)
@pytest.mark.parametrize("axis", range(3))
def test_a_surface_off_by_1_mm_is_right_and_beyond_it_is_not(axis, off_by_mm, whole):
    """Headers say 1 mm as 1.0000002 where it was calculated in float32."""
    spacing = [2.0, 2.0, 2.0]
    spacing[axis] = off_by_mm
    assert (compare(np.roll(CUBE, 1, axis), CUBE, spacing)["surface_dice_1mm"] == 1.0) == whole


def test_bodies_far_apart_share_nothing():
    """Single voxels at (1, 1, 1) and (5, 3, 5): 4, 3 and 12 mm apart."""
    found = compare(box((1, 2), (1, 2), (1, 2)), box((5, 6), (3, 4), (5, 6)))
    assert found["hd95_mm"] == pytest.approx(13.0)
    assert {found[name] for name in ("dice", "surface_dice_1mm", "sensitivity", "precision")} == {
        0.0
    }


def test_a_stray_voxel_among_many_does_not_matter_for_hd95():
    stray = CUBE | box((8, 9), (9, 10), (10, 11))
    assert compare(stray, CUBE)["hd95_mm"] == 0.0
    assert compare(stray, CUBE)["surface_dice_1mm"] < 1.0


def test_the_truth_itself_is_perfect():
    assert compare(CUBE, CUBE) == {
        **dict.fromkeys(("dice", "surface_dice_1mm", "sensitivity", "precision"), 1.0),
        "hd95_mm": 0.0,
        "volume_error_ml": 0.0,
        "truth_ml": pytest.approx(64 * VOXEL_ML),
        "predicted_ml": pytest.approx(64 * VOXEL_ML),
    }


def test_half_of_the_truth_is_precise_and_not_sensitive():
    half, ml = box((2, 6), (2, 4), (2, 6)), pytest.approx(32 * VOXEL_ML)
    found = compare(half, CUBE)
    assert (found["sensitivity"], found["precision"], found["dice"]) == (
        0.5,
        1.0,
        pytest.approx(2 / 3),
    )
    assert (found["predicted_ml"], -found["volume_error_ml"]) == (ml, ml)
    assert found["hd95_mm"] == 3.0  # two voxels of 1.5 mm


@pytest.mark.parametrize(
    ("predicted", "truth", "expected"),
    [
        (EMPTY, EMPTY, {"dice": 1.0, "surface_dice_1mm": 1.0, "hd95_mm": 0.0}),
        (EMPTY, CUBE, {"dice": 0.0, "surface_dice_1mm": 0.0, "hd95_mm": DIAGONAL_MM}),
        (CUBE, EMPTY, {"dice": 0.0, "surface_dice_1mm": 0.0, "hd95_mm": DIAGONAL_MM}),
    ],
    ids=["right", "missed", "invented"],
)
def test_an_empty_region_is_right_missed_or_invented(predicted, truth, expected):
    found = compare(predicted, truth)
    assert {name: found[name] for name in expected} == pytest.approx(expected)
    assert found["sensitivity"] == pytest.approx(0.0 if truth.any() else math.nan, nan_ok=True)
    assert found["precision"] == pytest.approx(0.0 if predicted.any() else math.nan, nan_ok=True)
    assert found["truth_ml"] == pytest.approx(truth.sum() * VOXEL_ML)
    assert found["volume_error_ml"] == pytest.approx(
        (predicted.sum() - truth.sum(dtype=float)) * VOXEL_ML
    )


def test_regions_are_compared_each_with_its_own():
    """Boxes of 1, 2 and 3 voxels against ones of 4, 5 and 6, of which they are parts."""
    predicted = np.stack([box((2, 3), (2, 3), (2, 2 + n)) for n in (1, 2, 3)])
    truth = np.stack([box((2, 3), (2, 3), (2, 2 + n)) for n in (4, 5, 6)])
    found = region_metrics(predicted, truth, SPACING)
    assert list(found) == list(REGIONS)
    assert [list(metrics) for metrics in found.values()] == [[m.name for m in REGION_METRICS]] * 3
    assert [metrics["sensitivity"] for metrics in found.values()] == [1 / 4, 2 / 5, 3 / 6]
    assert [metrics["truth_ml"] for metrics in found.values()] == pytest.approx(
        [n * VOXEL_ML for n in (4, 5, 6)]
    )


@pytest.mark.parametrize("seed", range(3))
def test_prediction_and_truth_swapped_swap_what_is_not_symmetric(seed):
    predicted, truth = blobs(seed)
    found = compare(predicted, truth)
    swapped = {
        "sensitivity": found["precision"],
        "precision": found["sensitivity"],
        "volume_error_ml": -found["volume_error_ml"],
        "truth_ml": found["predicted_ml"],
        "predicted_ml": found["truth_ml"],
    }
    assert found["volume_error_ml"] != 0
    assert compare(truth, predicted) == pytest.approx({**found, **swapped})


@pytest.mark.parametrize("order", list(permutations(range(3))), ids=str)
def test_the_order_of_axes_does_not_matter(order):
    predicted, truth = blobs(0)
    turned = compare(
        predicted.transpose(order), truth.transpose(order), [SPACING[axis] for axis in order]
    )
    assert turned == pytest.approx(compare(predicted, truth), rel=1e-5)


@pytest.mark.parametrize("seed", range(3))
def test_a_region_has_a_surface_where_it_touches_the_border_of_the_grid(seed):
    """The same as if the grid went on."""
    predicted, truth = blobs(seed)
    assert all(mask.sum() > mask[1:-1, 1:-1, 1:-1].sum() for mask in (predicted, truth))
    assert compare(np.pad(predicted, 2), np.pad(truth, 2)) == pytest.approx(
        compare(predicted, truth), rel=1e-6
    )


def test_0_and_1_do_as_well_as_bool():
    predicted, truth = (mask.astype(np.uint8) for mask in blobs(0))
    assert compare(predicted, truth) == compare(*blobs(0))


@pytest.mark.parametrize(
    ("predicted", "truth"),
    [((3, 5, 6, 7), (3, 5, 7, 6)), ((5, 6, 7), (5, 6, 7)), ((4, 5, 6, 7), (4, 5, 6, 7))],
    ids=["two grids", "no regions", "four regions"],
)
def test_what_are_not_regions_of_one_grid_is_refused(predicted, truth):
    with pytest.raises(
        ValueError, match=r"the shape \(3, H, W, D\); got \(.*7\) and \(.*\)\."
    ) as refusal:
        region_metrics(np.zeros(predicted, bool), np.zeros(truth, bool), SPACING)
    assert f"got {predicted} and {truth}." in str(refusal.value)


def test_regions_are_those_of_the_task():
    found = region_metrics(CUBE[None], CUBE[None], SPACING, task=LUNG)
    assert list(found) == ["N"]
    with pytest.raises(ValueError, match=r"the shape \(1, H, W, D\)"):
        region_metrics(np.zeros((3, *SHAPE), bool), np.zeros((3, *SHAPE), bool), SPACING, task=LUNG)


@pytest.mark.parametrize("seed", range(3))
def test_bounded_metrics_are_shares(seed):
    found = compare(*blobs(seed))
    bounded = [metric.name for metric in REGION_METRICS if metric.bounded]
    assert all(0 <= found[name] <= 1 for name in bounded)
    assert bounded == ["dice", "surface_dice_1mm", "sensitivity", "precision"]
