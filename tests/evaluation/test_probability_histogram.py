import math
import pickle

import numpy as np
import pytest
import torch
from scipy.stats import mannwhitneyu
from torchmetrics.functional.classification import (
    binary_calibration_error,
    multiclass_calibration_error,
)

from bundle.evaluation.probability_histogram import (
    N_BINS,
    N_CALIBRATION_BINS,
    N_UNIFORM,
    ProbabilityHistogram,
)

RESOLUTION = 1e-4
"""How far the metrics may be from those of the voxels, where probabilities spread over [0, 1]."""


def histogram(probabilities, truth) -> ProbabilityHistogram:
    return ProbabilityHistogram.of(probabilities, truth, np.ones(np.shape(truth), bool))


def exact_voxels(seed: int, n: int = 600) -> tuple[np.ndarray, np.ndarray]:
    """Miscalibrated voxels with probabilities at the centres of bins, on which a histogram loses
    nothing.

    From 100 bins and their mirror images, so that many entropies are equal.
    """
    rng = np.random.default_rng(seed)
    index = rng.integers(1, N_UNIFORM - 1, 100)
    probabilities = (rng.choice(np.r_[index, N_UNIFORM - 1 - index], n) + 0.5) / N_UNIFORM
    return probabilities, rng.random(n) < probabilities**2


def spread_voxels(seed: int, n: int = 50_000) -> tuple[np.ndarray, np.ndarray]:
    """Miscalibrated voxels with any probability in [0, 1]."""
    rng = np.random.default_rng(seed)
    probabilities = rng.random(n)
    return probabilities, rng.random(n) < probabilities**2


def decisions(probabilities, truth) -> tuple[np.ndarray, np.ndarray]:
    """Confidence of every voxel's decision, and whether it is right."""
    return np.maximum(probabilities, 1 - probabilities), (probabilities > 0.5) == truth


def gap(values, hits, n_bins: int) -> float:
    """Mean gap between value and frequency of hits, bin by bin."""
    total = 0.0
    for i in range(n_bins):
        low, high = i / n_bins, (i + 1) / n_bins
        members = [
            (v, hit)
            for v, hit in zip(values, hits, strict=True)
            if low <= v < high or v == high == 1
        ]
        total += abs(sum(v for v, _ in members) - sum(bool(hit) for _, hit in members))
    return total / len(values)


def entropies(probabilities) -> np.ndarray:
    """In nats, rounded so that those of p and 1 - p are equal."""
    return np.array([-sum(q * math.log(q) for q in (p, 1 - p) if q) for p in probabilities]).round(
        12
    )


def auroc_by_pairs(probabilities, truth) -> float:
    """Share of pairs of a wrong and a right voxel in which the wrong one has the higher entropy."""
    uncertainty, (_, right) = entropies(probabilities), decisions(probabilities, truth)
    pairs = [(wrong, other) for wrong in uncertainty[~right] for other in uncertainty[right]]
    return sum(
        1.0 if wrong > other else 0.5 if wrong == other else 0.0 for wrong, other in pairs
    ) / len(pairs)


@pytest.mark.parametrize("n_bins", [1, 4, N_CALIBRATION_BINS])
@pytest.mark.parametrize("seed", range(3))
def test_calibration_errors_equal_a_loop_over_bins(seed, n_bins):
    probabilities, truth = exact_voxels(seed)
    counted = histogram(probabilities, truth)
    static = (gap(probabilities, truth, n_bins) + gap(1 - probabilities, ~truth, n_bins)) / 2
    assert counted.expected_calibration_error(n_bins) == pytest.approx(
        gap(*decisions(probabilities, truth), n_bins)
    )
    assert counted.static_calibration_error(n_bins) == pytest.approx(static)


@pytest.mark.parametrize("seed", range(3))
def test_expected_calibration_error_is_that_of_torchmetrics(seed):
    """The error of the decision is torchmetrics' *multiclass* one of the classes "outside" and
    "region".

    Its *binary* one bins the probability of the region, whatever the decision; it agrees when it is
    given the confidence of the decision as the probability of being right.
    """
    probabilities, truth = exact_voxels(seed)
    ours = histogram(probabilities, truth).expected_calibration_error()
    classes, region = (
        torch.from_numpy(np.stack([1 - probabilities, probabilities], 1)),
        torch.from_numpy(truth).int(),
    )
    confidence, right = (torch.from_numpy(values) for values in decisions(probabilities, truth))
    assert ours == pytest.approx(
        float(multiclass_calibration_error(classes, region, 2, N_CALIBRATION_BINS, "l1"))
    )
    assert ours == pytest.approx(
        float(binary_calibration_error(confidence, right.int(), N_CALIBRATION_BINS, "l1"))
    )


@pytest.mark.parametrize("seed", range(3))
def test_static_calibration_error_is_the_mean_of_torchmetrics_over_both_classes(seed):
    probabilities, truth = exact_voxels(seed)
    p, region = torch.from_numpy(probabilities), torch.from_numpy(truth).int()
    both = [
        binary_calibration_error(*pair, N_CALIBRATION_BINS, "l1")
        for pair in ((p, region), (1 - p, 1 - region))
    ]
    assert histogram(probabilities, truth).static_calibration_error() == pytest.approx(
        float(sum(both)) / 2
    )


@pytest.mark.parametrize("seed", range(3))
def test_entropy_auroc_equals_a_count_of_pairs(seed):
    probabilities, truth = exact_voxels(seed)
    assert histogram(probabilities, truth).entropy_auroc() == pytest.approx(
        auroc_by_pairs(probabilities, truth)
    )


@pytest.mark.parametrize("seed", range(3))
def test_what_spread_probabilities_give_is_what_their_voxels_give(seed):
    probabilities, truth = spread_voxels(seed)
    counted, (confidence, right) = histogram(probabilities, truth), decisions(probabilities, truth)
    static = (gap(probabilities, truth, 15) + gap(1 - probabilities, ~truth, 15)) / 2
    above = mannwhitneyu(
        entropies(probabilities[~right]), entropies(probabilities[right])
    ).statistic
    assert counted.expected_calibration_error() == pytest.approx(
        gap(confidence, right, 15), abs=RESOLUTION
    )
    assert counted.static_calibration_error() == pytest.approx(static, abs=RESOLUTION)
    assert counted.entropy_auroc() == pytest.approx(
        above / (right.sum() * (~right).sum()), abs=RESOLUTION
    )
    assert counted.mean_probability_of_truth() == pytest.approx(
        probabilities[truth].mean(), abs=RESOLUTION
    )


@pytest.mark.parametrize(
    ("mean", "spread", "overconfidence"), [(-12, 3, 1.0), (-12, 3, 1.5), (-16, 4, 2.0)]
)
def test_entropy_auroc_of_a_brain_of_which_the_network_is_sure_is_that_of_its_voxels(
    mean, spread, overconfidence
):
    """Nearly all probabilities are within 3e-5 of 0, where bins of equal width would make
    them one.
    """
    rng = np.random.default_rng(0)
    logits = np.r_[rng.normal(mean, spread, 95_000), rng.normal(2, 3, 5_000)]
    truth = rng.random(len(logits)) < 1 / (1 + np.exp(-logits / overconfidence))
    probabilities = (1 / (1 + np.exp(-logits))).astype(np.float32)
    right = (probabilities > 0.5) == truth
    uncertainty = np.minimum(probabilities, 1 - probabilities)  # rises with the entropy
    above = mannwhitneyu(uncertainty[~right], uncertainty[right]).statistic
    expected = above / (right.sum() * (~right).sum())
    assert histogram(probabilities, truth).entropy_auroc() == pytest.approx(expected, abs=2e-4)


def test_calibration_errors_known_on_paper():
    """All are said to be 0.2 and a quarter is: 0.8 against 0.75 as decisions, 0.2 against 0.25 as
    the region.
    """
    counted = histogram(np.full(8, 0.2), np.arange(8) < 2)
    assert counted.expected_calibration_error() == pytest.approx(0.05, abs=RESOLUTION)
    assert counted.static_calibration_error() == pytest.approx(0.05, abs=RESOLUTION)


def test_only_the_static_error_tells_the_classes_apart():
    """Confidence 0.8 is right in 16 of 20 decisions, but the region is 1 of 5 voxels at 0.8, and
    none at 0.2.
    """
    probabilities = np.r_[np.full(5, 0.8), np.full(15, 0.2)]
    counted = histogram(probabilities, np.arange(20) == 0)
    assert counted.expected_calibration_error() == pytest.approx(0.0, abs=RESOLUTION)
    assert counted.static_calibration_error() == pytest.approx(
        0.25 * 0.6 + 0.75 * 0.2, abs=RESOLUTION
    )


@pytest.mark.parametrize(
    ("probabilities", "expected"),
    [
        ([0.6, 0.4, 0.9, 0.1], 1.0),  # the two wrong ones are the least certain
        ([1.0, 0.0, 0.6, 0.4], 0.0),
        ([0.75, 0.25, 0.75, 0.25], 0.5),
        ([0.8, 0.4, 0.8, 0.1], (0.5 + 1 + 1 + 1) / 4),
    ],
)
def test_entropy_auroc_known_on_paper(probabilities, expected):
    assert histogram(probabilities, [False, True, True, False]).entropy_auroc() == expected


@pytest.mark.parametrize("p", [0.0, 1e-9, 1 / N_UNIFORM, 1 / 1024, 0.25, 0.3])
@pytest.mark.parametrize("truth", [False, True])
def test_p_and_1_less_p_are_as_uncertain(p, truth):
    """Also on the edges of bins."""
    assert histogram([p, 1 - p], [truth, truth]).entropy_auroc() == 0.5


@pytest.mark.parametrize(
    "truth", [[True, False, True], [False, True, False]], ids=["none wrong", "none right"]
)
def test_entropy_has_no_auroc_without_right_and_wrong(truth):
    assert math.isnan(histogram([0.9, 0.2, 0.7], truth).entropy_auroc())


def test_one_half_is_no_decision_for_the_region():
    counted = histogram([0.5, 0.5, np.nextafter(0.5, 1)], [False, True, True])
    assert counted.counts[:, N_BINS // 2 - 1].tolist() == [1, 1]
    assert counted.counts[:, N_BINS // 2].tolist() == [0, 1]
    assert counted.expected_calibration_error() == pytest.approx(2 / 3 - 0.5, abs=RESOLUTION)


def test_0_and_1_are_counted_in_the_first_and_the_last_bin():
    counted = histogram([0.0, 0.0, 1.0], [False, True, True])
    assert counted.counts[:, 0].tolist() == [1, 1]
    assert counted.counts[:, -1].tolist() == [0, 1]
    assert counted.counts.sum() == 3


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_fewer_digits_do_not_change_the_bin(dtype):
    values = np.r_[0.0, np.random.default_rng(0).random(500), 0.5, 1.0].astype(dtype)
    truth = np.arange(len(values)) % 2 == 0
    np.testing.assert_array_equal(
        histogram(values, truth).counts, histogram(values.astype(float), truth).counts
    )


def test_mean_probability_is_that_of_the_regions_own_voxels():
    counted = histogram([0.9, 0.5, 0.1], [True, True, False])
    assert counted.mean_probability_of_truth() == pytest.approx(0.7, abs=RESOLUTION)
    assert math.isnan(histogram([0.9, 0.1], [False, False]).mean_probability_of_truth())


def test_reliability_known_on_paper():
    rows = histogram(
        [0.1, 0.2, 0.2, 0.6, 0.6, 1.0], [False, False, True, True, False, True]
    ).reliability(4)
    assert rows[0] == (0.0, 0.25, 3, pytest.approx(0.5 / 3, abs=RESOLUTION), pytest.approx(1 / 3))
    assert rows[1] == (
        0.25,
        0.5,
        0,
        pytest.approx(math.nan, nan_ok=True),
        pytest.approx(math.nan, nan_ok=True),
    )
    assert rows[2] == (0.5, 0.75, 2, pytest.approx(0.6, abs=RESOLUTION), 0.5)
    assert rows[3] == (0.75, 1.0, 1, pytest.approx(1.0, abs=RESOLUTION), 1.0)


def test_reliability_has_every_voxel_once():
    probabilities, truth = exact_voxels(0)
    rows = histogram(probabilities, truth).reliability()
    assert len(rows) == N_CALIBRATION_BINS
    assert sum(n for _, _, n, _, _ in rows) == len(probabilities)
    assert sum(n * mean for _, _, n, mean, _ in rows if n) == pytest.approx(probabilities.sum())
    assert sum(n * frequency for _, _, n, _, frequency in rows if n) == pytest.approx(truth.sum())


def test_a_sum_of_histograms_is_that_of_all_voxels():
    parts = [spread_voxels(seed, n) for seed, n in ((0, 300), (1, 50), (2, 0))]
    whole = histogram(*(np.concatenate(values) for values in zip(*parts, strict=True)))
    first, second, empty = (histogram(*part) for part in parts)
    np.testing.assert_array_equal((first + second + empty).counts, whole.counts)


def test_only_voxels_inside_are_counted():
    """Whatever the others say, even NaN."""
    probabilities, truth = (values.reshape(5, 6, 7) for values in exact_voxels(0, 5 * 6 * 7))
    inside = np.random.default_rng(1).random(truth.shape) < 0.4
    counted = ProbabilityHistogram.of(np.where(inside, probabilities, np.nan), truth, inside)
    np.testing.assert_array_equal(
        counted.counts, histogram(probabilities[inside], truth[inside]).counts
    )
    assert counted.counts.sum() == inside.sum()


@pytest.mark.parametrize("wrong", [-0.001, 1.001, np.nan, np.inf])
def test_what_is_no_probability_is_refused(wrong):
    with pytest.raises(ValueError, match=r"probabilities must lie in \[0, 1\]; got"):
        histogram([0.2, wrong, 0.7], [False, True, True])


def test_no_voxels_have_no_values():
    nothing = ProbabilityHistogram.of([0.3, 0.8], [True, False], [False, False])
    assert nothing.counts.shape == (2, N_BINS)
    assert math.isnan(nothing.expected_calibration_error())
    assert math.isnan(nothing.static_calibration_error())
    assert math.isnan(nothing.entropy_auroc())
    assert math.isnan(nothing.mean_probability_of_truth())
    assert all(
        n == 0 and math.isnan(mean) and math.isnan(share)
        for _, _, n, mean, share in nothing.reliability()
    )


def test_a_histogram_that_another_process_has_counts_the_same_and_travels_light():
    made = histogram(*spread_voxels(3))
    sent = pickle.dumps(made)
    assert (pickle.loads(sent).counts == made.counts).all()
    assert len(pickle.dumps(histogram(*exact_voxels(3)))) < 5_000


def test_logits_of_bins_are_those_of_their_probabilities():
    probabilities = np.array([1e-9, 1e-4, 0.2, 0.5, 0.7, 0.9999, 1 - 1e-7])
    counts = histogram(probabilities, np.zeros(7, bool))
    found = counts.logits()[counts.counts[0] > 0]
    assert np.allclose(found, np.log(probabilities / (1 - probabilities)), atol=0.1)
    assert np.allclose(counts.logits(), -counts.logits()[::-1])


def test_voxels_moved_to_their_own_probabilities_stay_and_to_others_are_counted_there():
    counts = histogram(*spread_voxels(3))
    own = 1 / (1 + np.exp(-counts.logits()))
    same = counts.moved(own)
    assert abs(same.expected_calibration_error() - counts.expected_calibration_error()) < 1e-4
    assert np.array_equal(same.counts.sum(axis=1), counts.counts.sum(axis=1))
    flipped = counts.moved(1 - own)
    assert flipped.mean_probability_of_truth() == pytest.approx(
        1 - counts.mean_probability_of_truth(), abs=1e-3
    )
