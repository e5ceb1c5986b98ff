import itertools
import math

import numpy as np
import pytest
from scipy.stats import binomtest

from bundle.evaluation.statistics.intervals import (
    Difference,
    Interval,
    bootstrap_mean,
    bootstrap_means,
    paired_difference,
    resampled_counts,
)

NAN = math.nan


def numbers(*values: float):
    return np.array(values, np.float64)


def slow_p(differences) -> float:
    """Share of all sign flips whose mean is at least as far from 0."""
    flips = np.array(list(itertools.product((-1, 1), repeat=len(differences))))
    means = np.abs((flips * differences).mean(axis=1))
    return float((means >= abs(differences.mean()) - 1e-12).mean())


def test_values_that_are_not_known_are_left_out_of_the_mean():
    found = bootstrap_mean(numbers(0.25, NAN, 0.75, NAN), seed=0)
    assert (found.mean, found.n) == (0.5, 2)


def test_the_interval_of_equal_values_is_their_value():
    found = bootstrap_mean(numbers(0.5, 0.5, 0.5), seed=0)
    assert found == Interval(0.5, 0.5, 0.5, 3)


def test_two_values_reach_from_one_to_the_other_as_each_is_drawn_alone_in_a_quarter_of_resamples():
    found = bootstrap_mean(numbers(0.0, 1.0), seed=3)
    assert (found.low, found.high) == (0.0, 1.0)


def test_one_value_has_a_mean_and_no_interval_even_beside_cases_without_one():
    for values in (numbers(0.7), numbers(NAN, 0.7, NAN)):
        found = bootstrap_mean(values, seed=0)
        assert (found.mean, found.n) == (0.7, 1)
        assert math.isnan(found.low)
        assert math.isnan(found.high)


def test_without_a_value_nothing_is_known():
    found = bootstrap_mean(numbers(NAN, NAN, NAN), seed=0)
    assert found.n == 0
    assert all(math.isnan(value) for value in (found.mean, found.low, found.high))


def test_the_interval_of_many_values_is_that_of_the_normal_distribution():
    values = np.random.default_rng(1).normal(5, 2, 400)
    found = bootstrap_mean(values, seed=0)
    reach = 1.96 * values.std() / math.sqrt(400)
    assert found.low == pytest.approx(values.mean() - reach, abs=0.1 * reach)
    assert found.high == pytest.approx(values.mean() + reach, abs=0.1 * reach)


def test_the_seed_alone_decides_the_interval():
    values = np.random.default_rng(1).random(7)
    assert bootstrap_mean(values, seed=4) == bootstrap_mean(values, seed=4)
    assert bootstrap_mean(values, seed=4).low != bootstrap_mean(values, seed=5).low


def test_all_columns_see_the_same_cases_drawn():
    values = np.random.default_rng(1).random(9)
    ours, mirrored = bootstrap_means(np.stack([values, 1 - values], axis=1), seed=0)
    assert (mirrored.low, mirrored.high) == pytest.approx((1 - ours.high, 1 - ours.low), abs=1e-12)


def test_arrays_keep_the_shape_behind_the_cases():
    values = np.arange(2 * 3 * 5, dtype=float).reshape(5, 2, 3)
    found = bootstrap_means(values, seed=0)
    assert found.shape == (2, 3)
    assert found[1, 2].mean == pytest.approx(values[:, 1, 2].mean())


def test_every_resample_has_as_many_cases_as_there_are():
    counts = resampled_counts(6, seed=0)
    assert counts.shape == (2000, 6)
    assert (counts.sum(axis=1) == 6).all()


@pytest.mark.parametrize("n", [2, 6, 13])
def test_if_one_run_always_wins_only_the_two_extreme_flips_of_all_are_as_far_off(n):
    found = paired_difference(np.linspace(0.5, 0.9, n), np.zeros(n), seed=0)
    assert found.p == pytest.approx(2 / 2**n)
    assert (found.mean, found.n) == (pytest.approx(0.7), n)


@pytest.mark.parametrize("seed", range(3))
def test_p_of_few_pairs_is_that_of_all_sign_flips(seed):
    a, b = np.random.default_rng(seed).random((2, 7))
    assert paired_difference(a, b, seed=0).p == pytest.approx(slow_p(a - b))


def test_p_of_many_pairs_is_estimated_near_that_of_the_sign_test():
    differences = np.repeat([1.0, -1.0], [15, 5])
    found = paired_difference(differences, np.zeros(20), seed=0)
    assert found.p == pytest.approx(binomtest(15, 20).pvalue, abs=0.01)
    assert found.p == paired_difference(differences, np.zeros(20), seed=0).p


def test_a_difference_is_first_less_second_and_swapping_them_turns_it_around():
    a, b = np.random.default_rng(0).random((2, 8))
    there, back = paired_difference(a, b, seed=0), paired_difference(b, a, seed=0)
    assert there.mean == pytest.approx((a - b).mean())
    assert (back.mean, back.low, back.high) == pytest.approx((-there.mean, -there.high, -there.low))
    assert back.p == pytest.approx(there.p)


def test_equal_runs_differ_by_nothing_with_p_1():
    assert paired_difference(numbers(0.1, 0.5, 0.8), numbers(0.1, 0.5, 0.8), seed=0) == Difference(
        0, 0, 0, 3, 1.0
    )


def test_pairs_of_which_one_is_not_known_are_left_out():
    whole = paired_difference(numbers(0.5, 0.75, 1.0), numbers(0.25, 0.25, 0.5), seed=0)
    holes = paired_difference(
        numbers(0.5, NAN, 0.75, 1.0, 9.0), numbers(0.25, 9.0, 0.25, 0.5, NAN), seed=0
    )
    assert holes == whole


@pytest.mark.parametrize(("a", "n"), [(numbers(0.5, NAN), 1), (numbers(NAN, NAN), 0)])
def test_less_than_two_pairs_are_no_test(a, n):
    found = paired_difference(a, numbers(0.25, 0.25), seed=0)
    assert found.n == n
    assert math.isnan(found.p)
    assert math.isnan(found.low)
    assert math.isnan(found.mean) == (n == 0)


def test_json_has_none_for_what_is_not_defined():
    assert Difference(0.5, NAN, NAN, 1, NAN).to_json() == {
        "mean": 0.5,
        "low": None,
        "high": None,
        "n": 1,
        "p": None,
    }
