import math

import numpy as np
import pytest

from bundle.evaluation.overlap import region_dice
from bundle.regions import LABEL_NAMES, REGION_LABELS, REGIONS

SHAPE = (5, 6, 7)


def oracle(predicted: np.ndarray, truth: np.ndarray, values: tuple[int, ...]) -> float:
    """Dice counted voxel by voxel."""
    pairs = [(p in values, t in values) for p, t in zip(predicted.ravel(), truth.ravel(), strict=True)]
    in_truth, in_prediction = sum(t for _, t in pairs), sum(p for p, _ in pairs)
    return 2 * sum(p and t for p, t in pairs) / (in_truth + in_prediction) if in_truth else math.nan


def random_labels(seed: int, *, highest: int = max(LABEL_NAMES)) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, highest + 1, SHAPE, dtype=np.uint8)


@pytest.mark.parametrize("seed", range(4))
def test_dice_equals_a_count_of_voxels(seed):
    predicted, truth = random_labels(seed), random_labels(seed + 100)
    expected = {region: oracle(predicted, truth, REGION_LABELS[region]) for region in REGIONS}
    assert region_dice(predicted, truth) == pytest.approx(expected, abs=1e-6)


def test_dice_known_on_paper():
    """Truth: 4 oedema, 2 core, 2 enhancing. Prediction: all of it oedema but one core voxel that is enhancing."""
    truth, predicted = np.zeros(SHAPE, np.uint8), np.zeros(SHAPE, np.uint8)
    truth[0, 0, :4], truth[1, 0, :2], truth[1, 1, :2] = 2, 1, 3
    predicted[truth > 0] = 2
    predicted[1, 0, 0] = 3
    assert region_dice(predicted, truth) == pytest.approx({"TC": 2 * 1 / (4 + 1), "WT": 1.0, "ET": 0.0})


def test_a_segmentation_agrees_with_itself_fully():
    label = random_labels(0)
    assert region_dice(label, label) == dict.fromkeys(REGIONS, 1.0)


@pytest.mark.parametrize("predicts", [True, False])
def test_a_region_that_the_truth_does_not_have_gives_nan_whatever_is_predicted(predicts):
    truth = random_labels(1, highest=2)
    predicted = random_labels(2, highest=3 if predicts else 2)
    dice = region_dice(predicted, truth)
    assert math.isnan(dice["ET"])
    assert not math.isnan(dice["TC"])
    assert not math.isnan(dice["WT"])


def test_a_region_that_the_prediction_misses_gives_zero():
    assert region_dice(np.zeros(SHAPE, np.uint8), random_labels(1)) == dict.fromkeys(REGIONS, 0.0)


def test_signed_integers_from_a_file_are_as_good():
    predicted, truth = random_labels(3), random_labels(4)
    assert region_dice(predicted.astype(np.int16), truth.astype(">i4")) == region_dice(predicted, truth)


def test_another_shape_is_refused_even_where_it_would_broadcast():
    with pytest.raises(ValueError, match=r"\(5, 6, 7\) and \(5, 6, 1\)"):
        region_dice(random_labels(0), random_labels(1)[..., :1])
