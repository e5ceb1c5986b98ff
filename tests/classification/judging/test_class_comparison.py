import numpy as np
import pytest
from scipy.stats import binom

from bundle.classification.judging.class_comparison import (
    accuracy_difference,
    mcnemar,
    mcnemars,
    mean_correlation,
    spread,
)
from bundle.classification.judging.class_scores import ClassScores
from bundle.errors import UsageError
from tests.classification.judging.scores import four_cases


def with_right(*right: bool) -> ClassScores:
    scores = four_cases()
    truth = scores.truth
    predicted = np.where(np.array(right)[:, None], truth[:, None], "none").repeat(3, axis=1)
    known = np.full((4, 3), 0.5)
    return ClassScores(**{**vars(scores), "predicted": predicted, "probability": known})


def test_mcnemars_p_is_that_of_a_fair_coin_for_the_cases_that_differ():
    a, b = np.array([1.0] * 9 + [0.0] + [1.0] * 5), np.array([0.0] * 9 + [1.0] + [1.0] * 5)
    found = mcnemar(a, b)
    assert (found.only_a, found.only_b) == (9, 1)
    assert found.p == pytest.approx(2 * binom.cdf(1, 10, 0.5))
    assert mcnemar(b, a).p == found.p


def test_networks_that_never_differ_are_not_told_apart():
    assert mcnemar(np.ones(5), np.ones(5)).p == 1


def test_the_difference_is_the_mean_over_cases_of_seeds_shares():
    a = [with_right(True, True, True, False), with_right(True, True, False, False)]
    b = [with_right(True, False, False, False), with_right(True, False, False, True)]
    found = accuracy_difference(a, b, "image", seed=0)
    assert found.mean == pytest.approx((0 + 1 + 0.5 - 0.5) / 4)
    assert found.low < found.mean < found.high


def test_every_seed_is_tested_by_itself():
    a, b = [with_right(True, True, True, True)] * 2, [with_right(False, False, True, True)] * 2
    assert [(one.only_a, one.only_b, one.p) for one in mcnemars(a, b, "audio")] == [(2, 0, 0.5)] * 2


def test_runs_on_other_cases_are_not_compared():
    other = ClassScores(**{**vars(four_cases()), "cases": ("m0", "m1", "m2", "m3")})
    with pytest.raises(UsageError, match="same cases"):
        mcnemars([four_cases()], [other], "image")


def test_a_correlation_is_averaged_over_runs_and_resampled_over_cases():
    runs = []
    for sign in (1, 1, -1):
        scores = with_right(True, True, True, True)
        probability, weights = scores.probability.copy(), np.full((4, 3, 2), 0.5)
        probability[:, 0] = [0.1, 0.2, 0.5, 0.9]
        weights[:, 2, 0] = 0.5 + sign * probability[:, 0] / 3
        runs.append(ClassScores(**{**vars(scores), "probability": probability, "weights": weights}))
    found = mean_correlation(runs, "image", seed=0)
    assert found.r == pytest.approx(1 / 3)
    assert found.low == pytest.approx(found.high) == pytest.approx(1 / 3)
    assert found.n == 4


def test_the_spread_of_one_run_is_unknown():
    assert np.isnan(spread([0.5]))
    assert spread([1.0, 3.0]) == pytest.approx(np.sqrt(2))
