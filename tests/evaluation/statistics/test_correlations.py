import math

import numpy as np
import pytest
from scipy.stats import pearsonr

from bundle.evaluation.score_table import Score
from bundle.evaluation.statistics.correlations import (
    Correlation,
    correlate,
    weights_and_performance,
)
from bundle.evaluation.task_names import GIVEN
from tests.evaluation.sample_scores import table_of

NAN = math.nan


def numbers(*values: float):
    return np.array(values, np.float64)


def scores(case: str, chosen: str, region: str = "ET", **values: float) -> list[Score]:
    return [
        Score(case, chosen, region, metric, value)
        for metric, value in {"truth_ml": 1.0, **values}.items()
    ]


def undefined(found: Correlation) -> bool:
    return all(math.isnan(value) for value in (found.r, found.low, found.high))


@pytest.mark.parametrize(("slope", "expected"), [(0.5, 1.0), (-0.5, -1.0)])
def test_values_on_a_line_are_fully_correlated_and_so_is_every_resample(slope, expected):
    x = numbers(0.1, 0.2, 0.4, 0.7, 0.9, 0.15, 0.25, 0.45, 0.75, 0.95)
    found = correlate(x, 0.6 + slope * x, seed=0)
    assert (found.r, found.low, found.high) == pytest.approx((expected,) * 3)
    assert found.n == 10


def test_the_correlation_is_that_of_the_book():
    """Deviations -3 -1 1 3 and -3 1 -1 3: 16 of 20."""
    assert correlate(
        numbers(0.1, 0.2, 0.3, 0.4), numbers(0.1, 0.3, 0.2, 0.4), seed=0
    ).r == pytest.approx(0.8)


@pytest.mark.parametrize(("n", "known"), [(9, False), (10, True)])
def test_fewer_than_ten_cases_have_no_interval(n, known):
    x = np.random.default_rng(0).random(n)
    found = correlate(x, x**2, seed=0)
    assert math.isfinite(found.r)
    assert math.isfinite(found.low) == math.isfinite(found.high) == known


def test_the_correlation_is_that_of_scipy_and_lies_within_its_interval():
    x, y = np.random.default_rng(0).random((2, 40))
    found = correlate(x, (x + y) / 2, seed=0)
    assert found.r == pytest.approx(pearsonr(x, (x + y) / 2).statistic)
    # Fisher's interval for this r and n, a rough guide for the bootstrap
    reach = np.tanh(np.arctanh(found.r) + np.array([-1.96, 1.96]) / math.sqrt(37))
    assert (found.low, found.high) == pytest.approx(reach.tolist(), abs=0.1)


def test_pairs_of_which_one_is_not_known_are_left_out():
    whole = correlate(numbers(0.1, 0.2, 0.4), numbers(0.3, 0.2, 0.5), seed=0)
    holes = correlate(numbers(0.1, 0.9, 0.2, NAN, 0.4), numbers(0.3, NAN, 0.2, 0.9, 0.5), seed=0)
    assert holes.r == whole.r
    assert holes.n == 3


@pytest.mark.parametrize("n", [0, 1, 2])
def test_fewer_than_three_cases_have_no_correlation(n):
    found = correlate(np.arange(n) / 9, np.arange(n) / 9, seed=0)
    assert undefined(found)
    assert found.n == n


@pytest.mark.parametrize(
    "constant", [numbers(0.25, 0.25, 0.25, 0.25), 0.25 + 1e-8 * numbers(1, 2, 3, 4)]
)
def test_weights_that_differ_by_rounding_alone_have_no_correlation(constant):
    varying = numbers(0.1, 0.2, 0.3, 0.4)
    assert undefined(correlate(constant, varying, seed=0))
    assert undefined(correlate(varying, constant, seed=0))


def test_the_weight_is_that_of_the_largest_set_of_each_case_and_the_performance_that_of_the_modality_alone():
    rows = []
    for case, weight, dice, confidence in (
        ("a", 0.1, 0.2, 0.9),
        ("b", 0.2, 0.4, 0.7),
        ("c", 0.3, 0.6, 0.5),
    ):
        rows += scores(case, "t1c", dice=dice, confidence=confidence, weight_t1c=1.0)
        rows += scores(
            case, "t1c+t2f", dice=0.99, confidence=0.01, weight_t1c=0.6 - weight
        )  # not to be read
        rows += scores(case, "t1c+t2w+t2f", dice=0.0, confidence=0.0, weight_t1c=weight)
    rows += scores("d", "t1c", dice=0.8, confidence=0.3, weight_t1c=1.0)
    rows += scores(
        "d", "t1c+t2f", dice=0.0, confidence=0.0, weight_t1c=0.4
    )  # all that this case has
    found = weights_and_performance(table_of(rows), empty="skip", seed=0)
    assert list(found) == ["t1c"]
    assert found["t1c"]["ET"]["dice"].r == pytest.approx(1.0)
    assert found["t1c"]["ET"]["confidence"].r == pytest.approx(-1.0)
    assert found["t1c"]["ET"]["dice"].n == 4


def test_every_modality_and_region_has_its_own_correlation():
    rows = []
    for case, value in (("a", 0.1), ("b", 0.2), ("c", 0.4)):
        for region, sign in (("WT", 1), ("ET", -1)):
            rows += scores(case, "t1c", region, dice=value) + scores(
                case, "t2f", region, dice=1 - value
            )
            weights = {"weight_t1c": 0.5 + sign * value, "weight_t2f": 0.5 - sign * value}
            rows += scores(case, "t1c+t2f", region, **weights)
    found = weights_and_performance(table_of(rows), empty="skip", seed=0)
    r = [
        found[modality][region]["dice"].r for modality in ("t1c", "t2f") for region in ("WT", "ET")
    ]
    assert r == pytest.approx([1, -1, 1, -1])
    assert list(found["t1c"]["WT"]) == ["dice"]


@pytest.mark.parametrize(("empty", "n"), [("skip", 3), ("one", 4)])
def test_a_region_that_the_truth_does_not_have_is_left_out_unless_it_shall_count(empty, n):
    rows = [
        row
        for case, w in zip("abc", (0.1, 0.2, 0.4), strict=True)
        for row in scores(case, "t1c", dice=w, weight_t1c=w)
    ]
    rows += scores("d", "t1c", dice=1.0, weight_t1c=0.3, truth_ml=0.0)
    assert weights_and_performance(table_of(rows), empty=empty, seed=0)["t1c"]["ET"]["dice"].n == n


@pytest.mark.parametrize("chosen", [GIVEN, "t1c"])
def test_without_weights_there_is_nothing_to_correlate(chosen):
    assert (
        weights_and_performance(table_of(scores("a", chosen, dice=0.5)), empty="skip", seed=0) == {}
    )
