import math
from itertools import combinations

import numpy as np
import pytest
from scipy.optimize import minimize

from bundle.evaluation.probability_histogram import ProbabilityHistogram
from bundle.evaluation.statistics.calibration_fit import (
    LEVEL,
    CalibrationFit,
    cooled,
    margin,
    needed_logit,
    rows,
    temperature,
)
from bundle.tasks.default import DEFAULT_TASK

REGIONS, MODALITIES = DEFAULT_TASK.region_names, DEFAULT_TASK.modality_names
SHA = "ab" * 32


def sigmoid(logits):
    return 1 / (1 + np.exp(-logits))


def histogram(probabilities, truth):
    return ProbabilityHistogram.of(probabilities, truth, np.ones(np.shape(truth), bool))


def voxels(seed, divisor=2.5, n=4000):
    """Voxels whose logits are too large by a factor, and their truth."""
    rng = np.random.default_rng(seed)
    right = rng.normal(-1, 2, n)
    return sigmoid(right * divisor), rng.random(n) < sigmoid(right)


def fit_of(n_cases, divisor=2.5, sets=None):
    fit = CalibrationFit(DEFAULT_TASK)
    sets = sets or ["+".join(names) for k in range(1, 5) for names in combinations(MODALITIES, k)]
    for number in range(n_cases):
        found = {
            (name, region): histogram(*voxels(1000 * number + index, divisor))
            for index, name in enumerate(sets)
            for region in REGIONS
        }
        fit.add(f"case{number}", found)
    return fit


@pytest.mark.parametrize("divisor", [0.4, 1.0, 3.0])
def test_the_temperature_is_the_factor_by_which_logits_are_too_large(divisor):
    assert temperature(histogram(*voxels(0, divisor, 200_000))) == pytest.approx(divisor, rel=0.03)


def test_the_temperature_is_that_of_the_voxels_themselves():
    probabilities, truth = voxels(5, 2.0, 5000)
    logits, sign = np.log(probabilities / (1 - probabilities)), np.where(truth, 1, -1)
    loss = lambda t: np.logaddexp(0, -sign * logits / t[0]).mean()  # noqa: E731
    exact = minimize(loss, [1.0], bounds=[(0.05, 20)]).x[0]
    assert temperature(histogram(probabilities, truth)) == pytest.approx(exact, rel=1e-3)


def test_where_only_one_kind_of_voxel_was_seen_the_temperature_is_1():
    assert temperature(histogram(np.array([0.1, 0.2]), np.zeros(2, bool))) == 1


def test_after_division_the_error_is_smaller():
    counts = histogram(*voxels(1, 4.0, 100_000))
    after = cooled(counts, temperature(counts)).expected_calibration_error()
    assert after < 0.02 < counts.expected_calibration_error()


@pytest.mark.parametrize("seed", range(20))
def test_the_needed_logit_is_the_smallest_whose_interval_has_the_true_volume(seed):
    rng = np.random.default_rng(seed)
    logits = rng.normal(rng.normal(0, 2), 2, 200)
    truth = rng.random(200) < rng.random()
    needed = needed_logit(histogram(sigmoid(logits), truth))

    def covers(limit):
        return (logits > limit).sum() <= truth.sum() <= (logits > -limit).sum()

    if math.isinf(needed):
        assert truth.sum() >= 199
    else:
        assert covers(needed + 0.03)
        assert needed == 0 or not covers(max(needed - 0.03, 0))


def test_a_margin_leaves_out_as_few_new_cases_as_it_says():
    rng = np.random.default_rng(0)
    covered = []
    for _ in range(2000):
        drawn = rng.exponential(size=13)
        covered.append(drawn[-1] <= margin(drawn[:-1], 12))
    assert LEVEL - 0.03 < np.mean(covered) < LEVEL + 0.09


def test_too_few_cases_tell_no_margin():
    assert margin(np.ones(3), 3) is None
    assert margin(np.ones(4), 4) == 1
    assert margin(np.full(9, np.inf), 9) is None
    assert margin(np.array([]), 0) is None


def test_a_fit_has_a_temperature_and_a_margin_per_region_and_number_of_modalities():
    found = fit_of(8).fitted(SHA, {"spacing": 2})
    assert (found.weights_sha256, found.task, found.n_cases) == (SHA, "brain_tumours", 8)
    assert found.settings == {"spacing": 2}
    for region in REGIONS:
        assert list(found.temperatures[region]) == ["1", "2", "3", "4"]
        assert all(2 < value < 3.2 for value in found.temperatures[region].values())
        assert all(value > 0 for value in found.margins[region].values())
    measured = found.measured["TC of 2"]
    assert measured["ece_after"] < measured["ece_before"]
    assert measured["predictions"] == 8 * 6
    assert 0.6 < measured["covered"] <= 1
    table = list(rows(found))
    assert len(table) == 12
    assert table[0][:2] == ("TC", "1")


def test_the_order_of_the_cases_does_not_matter():
    fits = [CalibrationFit(DEFAULT_TASK) for _ in range(2)]
    cases = [
        (
            f"case{n}",
            {("t1c", "TC"): histogram(*voxels(n)), ("t1c+t2f", "TC"): histogram(*voxels(50 + n))},
        )
        for n in range(7)
    ]
    for fit, listed in zip(fits, (cases, cases[::-1]), strict=True):
        for case in listed:
            fit.add(*case)
    one, other = (fit.fitted(SHA, {}) for fit in fits)
    assert one == other


def test_one_case_says_nothing_about_how_good_its_own_fit_is():
    found = fit_of(1, sets=["t1c"]).fitted(SHA, {})
    assert found.measured["TC of 1"]["ece_after"] is None
    assert found.measured["TC of 1"]["covered"] is None
    assert found.margins["TC"] == {"1": None}
    assert [row[-1] for row in rows(found)] == ["-"] * 3
