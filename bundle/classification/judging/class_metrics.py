"""Metrics of predicted classes, each with its interval over cases."""

import numpy as np
from numpy.typing import NDArray

from bundle.classification.judging.class_scores import ClassScores
from bundle.evaluation.statistics.correlations import Correlation, correlate
from bundle.evaluation.statistics.intervals import (
    Interval,
    bootstrap_mean,
    percentiles,
    resampled_counts,
)
from bundle.evaluation.statistics.set_pairs import PairRate, counter_intuitive_rates

Floats = NDArray[np.float64]

N_BINS = 15
"""Bins of equal width of the expected calibration error, as Guo et al. (2017) have it."""

RIGHT_TO_WRONG, CONFIDENCE_FALLS = "right_to_wrong", "confidence_falls"


def accuracy(scores: ClassScores, modality_set: str, seed: int) -> Interval:
    """Return the share of cases whose most probable class is the right one."""
    return bootstrap_mean(scores.correct[:, scores.of_set(modality_set)], seed)


def negative_log_likelihood(scores: ClassScores, modality_set: str, seed: int) -> Interval:
    """Return the mean negative logarithm of the right class's probability, in nats."""
    return bootstrap_mean(scores.negative_log[:, scores.of_set(modality_set)], seed)


def calibration_error(scores: ClassScores, modality_set: str, seed: int) -> Interval:
    """Return the expected calibration error of the predicted class, 0 to 1, see ``calibration``."""
    place = scores.of_set(modality_set)
    known = scores.is_known[:, place]
    confidence, correct = scores.confidence[known, place], scores.correct[known, place]
    error = calibration(confidence, correct, np.ones((1, len(correct))))
    drawn = calibration(confidence, correct, resampled_counts(len(correct), seed))
    low, high = percentiles(drawn[:, None])
    return Interval(float(error[0]), float(low[0]), float(high[0]), len(correct))


def calibration(confidence: Floats, correct: Floats, counts: Floats) -> Floats:
    """Compute the expected calibration error of samples of the same cases.

    Args:
        confidence: (N,), probability of the predicted class.
        correct: (N,), 1 or 0.
        counts: (K, N), how often a case is in each sample.

    Returns:
        (K,): over 15 bins of equal width, the mean of |accuracy - mean confidence|, weighted by the
        bins' cases.

    Source: Guo et al.: On Calibration of Modern Neural Networks, ICML 2017, equation 3.
    """
    bins = np.clip(np.ceil(confidence * N_BINS).astype(int) - 1, 0, N_BINS - 1)
    surplus = (correct - confidence)[:, None] * (bins[:, None] == np.arange(N_BINS))
    error: Floats = np.abs(counts @ surplus).sum(axis=1) / counts.sum(axis=1)
    return error


def counter_intuitive(scores: ClassScores, seed: int) -> dict[str, PairRate]:
    """Compute how often a larger modality set is worse than one within it.

    Returns:
        ``right_to_wrong``: the smaller set's class is right, the larger set's wrong;
        ``confidence_falls``: the right class is less probable, by more than 1e-6.

    Source: Li et al., SimMLM, arXiv:2507.19264, the counter-intuitive rate, with classes in place
    of Dice.
    """
    values = np.stack([scores.correct, scores.probability], axis=2)
    rates = counter_intuitive_rates(values, scores.sets, seed)
    return dict(zip((RIGHT_TO_WRONG, CONFIDENCE_FALLS), rates, strict=True))


def mean_weights(scores: ClassScores) -> dict[str, dict[str, float]]:
    """Return the gate's mean weight of each modality, per modality set."""
    means = {}
    for place, name in enumerate(scores.sets):
        known = scores.weights[scores.is_known[:, place], place]
        values = known.mean(axis=0) if len(known) else np.full(len(scores.modalities), np.nan)
        means[name] = dict(zip(scores.modalities, values.tolist(), strict=True))
    return means


def weights_and_confidence(scores: ClassScores, seed: int) -> dict[str, Correlation]:
    """Correlate a modality's weight among all modalities with the probability that it gives the
    right class alone, over the cases that have all.

    Source: Li et al., SimMLM, arXiv:2507.19264, supplement, discussion of the gate.
    """
    everything = len(scores.sets) - 1
    return {
        name: correlate(
            scores.weights[:, everything, m], scores.probability[:, scores.of_set(name)], seed
        )
        for m, name in enumerate(scores.modalities)
    }
