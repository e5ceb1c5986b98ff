"""Two networks on the same cases: how much they differ, and whether by chance."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from bundle.classification.judging.class_scores import ClassScores
from bundle.errors import UsageError
from bundle.evaluation.statistics.correlations import Correlation, pearson
from bundle.evaluation.statistics.intervals import (
    N_RESAMPLES,
    Difference,
    paired_difference,
    percentiles,
)

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class McNemar:
    """Whether two networks are right on different numbers of cases.

    Attributes:
        only_a, only_b: cases on which one is right and the other is wrong.
        p: two-sided, of the exact binomial test; 1 where they never differ.
    """

    only_a: int
    only_b: int
    p: float


def mcnemar(a: Floats, b: Floats) -> McNemar:
    """Test two networks on the same cases, each 1 where right and 0 where wrong, (N,).

    Source: McNemar, Psychometrika 1947; the exact form is the sign test of the cases that differ.
    """
    only_a, only_b = int(((a == 1) & (b == 0)).sum()), int(((a == 0) & (b == 1)).sum())
    n_differing = only_a + only_b
    p = float(binomtest(only_a, n_differing).pvalue) if n_differing else 1.0
    return McNemar(only_a, only_b, p)


def accuracy_difference(
    a: Sequence[ClassScores], b: Sequence[ClassScores], modality_set: str, seed: int
) -> Difference:
    """Compare two ways to train, each by the same number of runs.

    Args:
        a: runs of one, with different seeds.
        b: runs of the other, on the same cases in the same order.
        modality_set: by name.
        seed: of the bootstrap.

    Returns:
        Difference in accuracy, a less b, with the interval of a paired bootstrap over cases. A
        case's value is the share of runs that were right: seeds are averaged, not resampled.
    """
    return paired_difference(_share_right(a, modality_set), _share_right(b, modality_set), seed)


def mcnemars(
    a: Sequence[ClassScores], b: Sequence[ClassScores], modality_set: str
) -> list[McNemar]:
    """Test two ways to train run by run, see ``accuracy_difference``."""
    tests = []
    for one, other in zip(a, b, strict=True):
        _check_same_cases([one, other])
        tests.append(mcnemar(_right(one, modality_set), _right(other, modality_set)))
    return tests


def mean_correlation(runs: Sequence[ClassScores], modality: str, seed: int) -> Correlation:
    """Average over runs how a modality's weight goes with what its expert says alone.

    Args:
        runs: of one way to train, on the same cases in the same order; all have all modalities.
        modality: by name.
        seed: of the bootstrap.

    Returns:
        The mean of the runs' correlations of the weight among all modalities with the right class's
        probability from this modality alone; its interval resamples cases, the same for all runs.
    """
    _check_same_cases(runs)
    place, everything = runs[0].modalities.index(modality), len(runs[0].sets) - 1
    weights = np.stack([run.weights[:, everything, place] for run in runs])
    alone = np.stack([run.probability[:, run.of_set(modality)] for run in runs])
    n_cases = weights.shape[1]
    drawn = np.random.default_rng(seed).integers(n_cases, size=(N_RESAMPLES, n_cases))
    resampled = [pearson(w[drawn], p[drawn]) for w, p in zip(weights, alone, strict=True)]
    low, high = percentiles(np.mean(resampled, axis=0)[:, None])
    return Correlation(
        float(pearson(weights, alone).mean()), float(low[0]), float(high[0]), n_cases
    )


def spread(values: Sequence[float]) -> float:
    """Return the standard deviation of runs, n - 1 in the denominator; NaN of fewer than two."""
    return float(np.std(values, ddof=1)) if len(values) > 1 else math.nan


def _share_right(runs: Sequence[ClassScores], modality_set: str) -> Floats:
    _check_same_cases(runs)
    share: Floats = np.mean([_right(run, modality_set) for run in runs], axis=0)
    return share


def _right(scores: ClassScores, modality_set: str) -> Floats:
    return scores.correct[:, scores.of_set(modality_set)]


def _check_same_cases(runs: Sequence[ClassScores]) -> None:
    for run in runs[1:]:
        if run.cases != runs[0].cases or (run.truth != runs[0].truth).any():
            raise UsageError(
                "E_SCORES",
                "Runs to compare must have judged the same cases in the same order; they have not."
                " Judge them on the same data.",
            )
