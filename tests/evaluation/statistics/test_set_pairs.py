import math

import numpy as np
import pytest

from bundle.evaluation.statistics.set_pairs import (
    SMALLEST_LOSS,
    PairRate,
    counter_intuitive_rates,
    nested_pairs,
)
from bundle.evaluation.task_names import GIVEN, set_members
from tests.evaluation.sample_scores import SETS

SIZES = np.array([len(set_members(name)) for name in SETS], float)
TWO = ("t1n", "t1c", "t1n+t1c")


def rate(dice, sets=TWO) -> PairRate:
    """Rate of one region; dice (C, S)."""
    (found,) = counter_intuitive_rates(np.array(dice, float)[:, :, None], sets, seed=0)
    return found


def test_the_15_sets_have_50_pairs():
    """A single lies in 7 larger sets, a pair in 3, three modalities in 1: 4 x 7 + 6 x 3 + 4 x 1."""
    pairs = nested_pairs(SETS)
    assert len(pairs) == 50
    assert [sum(SIZES[small] == size for small, _ in pairs) for size in (1, 2, 3, 4)] == [
        28,
        18,
        4,
        0,
    ]


def test_a_pair_is_a_set_and_one_that_contains_it_and_more():
    assert nested_pairs(("t1n", "t1c", "t2w", "t1n+t1c", "t1c+t2f")) == [(0, 3), (1, 3), (1, 4)]


@pytest.mark.parametrize(
    ("dice", "expected"), [(SIZES / 5, 0.0), (1 - SIZES / 5, 1.0), (np.full(15, 0.5), 0.0)]
)
def test_the_rate_is_0_if_more_never_harms_and_1_if_it_always_does(dice, expected):
    assert rate([dice, dice], SETS) == PairRate(expected, expected, expected, 100)


@pytest.mark.parametrize(
    ("loss", "expected"), [(0.5 * SMALLEST_LOSS, 0.0), (2 * SMALLEST_LOSS, 1.0)]
)
def test_only_a_loss_beyond_rounding_counts(loss, expected):
    assert rate([[0.5, 0.5, 0.5 - loss]]).rate == expected


def test_pairs_of_all_cases_count_alike_however_many_a_case_has():
    """One of two pairs in the first case, the only one of the second: 2 of 3, not the mean of 1/2
    and 1.
    """
    found = rate([[0.4, 0.6, 0.5], [math.nan, 0.8, 0.7]])
    assert found.rate == pytest.approx(2 / 3)
    assert found.n_pairs == 3
    assert (found.low, found.high) == (0.5, 1.0)


def test_one_case_has_a_rate_and_no_interval():
    found = rate([[0.4, 0.6, 0.5]])
    assert (found.rate, found.n_pairs) == (0.5, 2)
    assert math.isnan(found.low)
    assert math.isnan(found.high)


@pytest.mark.parametrize("sets", [(GIVEN,), ("t1n", "t1c"), ("t1n", GIVEN)])
def test_sets_of_which_none_contains_another_have_no_rate(sets):
    found = rate(np.full((3, len(sets)), 0.5), sets)
    assert found.to_json() == {"rate": None, "low": None, "high": None, "n_pairs": 0}


def test_dice_that_are_not_known_make_no_pairs():
    assert rate(np.full((2, 3), np.nan)).n_pairs == 0


def test_every_region_has_its_own_rate():
    dice = np.array([[[0.5, 0.5, 0.5], [0.5, 0.5, 0.5], [0.4, 0.6, np.nan]]])
    rates = counter_intuitive_rates(dice, TWO, seed=0)
    np.testing.assert_array_equal([found.rate for found in rates], [1.0, 0.0, np.nan])
    assert [found.n_pairs for found in rates] == [2, 2, 0]
