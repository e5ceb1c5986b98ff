"""Means and differences over cases, with how far other cases might have moved them."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import permutation_test

N_RESAMPLES = 2000
N_PERMUTATIONS = 9999
PERMUTATION_BATCH = 500
"""Permutations at once: all of those of a thousand cases would take a gigabyte."""

CONFIDENCE_PERCENT = 95.0

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Interval:
    """An average over cases.

    Attributes:
        mean: NaN without a value.
        low, high: 95 % percentile bootstrap over cases; NaN with fewer than two values.
        n: values.
    """

    mean: float
    low: float
    high: float
    n: int

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON; NaN becomes None."""
        return without_nan(asdict(self))

    @classmethod
    def from_json(cls, facts: Mapping[str, Any]) -> "Interval":
        """Read what ``to_json`` returned."""
        return cls(**with_nan(facts))


@dataclass(frozen=True)
class Difference(Interval):
    """An average difference of paired values, over the pairs of which both are known.

    Attributes:
        p: of the two-sided permutation test that swaps pairs, which flips the sign of their
            difference; exact for up to 13 pairs, NaN with fewer than two.
    """

    p: float


@lru_cache(maxsize=1)  # the same cases are resampled for one figure after the other
def resampled_counts(n_cases: int, seed: int, n_resamples: int = N_RESAMPLES) -> Floats:
    """Draw how often each case is in each bootstrap sample: (n_resamples, n_cases), rows summing to
    ``n_cases``.
    """
    generator = np.random.default_rng(seed)
    share = np.full(n_cases, 1 / n_cases)
    counts: Floats = generator.multinomial(n_cases, share, n_resamples).astype(np.float64)
    counts.setflags(write=False)
    return counts


def bootstrap_ratio(
    numerator: Floats, denominator: Floats, seed: int
) -> tuple[Floats, Floats, Floats]:
    """Bootstrap over cases the ratio of two sums over cases, column by column.

    Args:
        numerator: (C, K), finite, 0 where a case has nothing to say.
        denominator: (C, K), 0 there too.
        seed: of the resampling; cases are drawn once for all columns.

    Returns:
        Ratio, low and high, each (K,); NaN where nothing is known, and low and high also where one
        case knows.
    """
    counts = resampled_counts(len(numerator), seed)
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = numerator.sum(axis=0) / denominator.sum(axis=0)
        drawn = (counts @ numerator) / (counts @ denominator)
    low, high = percentiles(drawn)
    alone = (denominator != 0).sum(axis=0) < 2
    return ratio, np.where(alone, np.nan, low), np.where(alone, np.nan, high)


def bootstrap_means(values: Floats, seed: int) -> NDArray[np.object_]:
    """Average over cases, leaving NaN out.

    Args:
        values: (C, ...).
        seed: of the resampling.

    Returns:
        (...) of `Interval`.
    """
    flat = values.reshape(len(values), -1)
    known = np.isfinite(flat)
    columns = bootstrap_ratio(np.where(known, flat, 0.0), known.astype(np.float64), seed)
    intervals = np.empty(flat.shape[1], object)
    for index, (mean, low, high) in enumerate(np.stack(columns, axis=1).tolist()):
        intervals[index] = Interval(mean, low, high, int(known[:, index].sum()))
    return intervals.reshape(values.shape[1:])


def bootstrap_mean(values: Floats, seed: int) -> Interval:
    """Average (C,) values over cases, leaving NaN out."""
    interval: Interval = bootstrap_means(values[:, None], seed)[0]
    return interval


def paired_difference(a: Floats, b: Floats, seed: int) -> Difference:
    """Average a - b over cases and test whether it is by chance; pairs with a NaN are left out.

    Args:
        a: (C,).
        b: (C,), of the same cases.
        seed: of the bootstrap, and of the permutations where there are too many to try all.
    """
    known = np.isfinite(a) & np.isfinite(b)
    a, b = a[known], b[known]
    found = bootstrap_mean(a - b, seed) if len(a) else Interval(math.nan, math.nan, math.nan, 0)
    return Difference(found.mean, found.low, found.high, found.n, _permutation_p(a, b, seed))


def percentiles(drawn: Floats) -> tuple[Floats, Floats]:
    """Return the ends of the interval that holds the middle 95 % of resamples (B, K), leaving NaN
    out: (K,) each.
    """
    tail = (100 - CONFIDENCE_PERCENT) / 2
    known = np.isfinite(drawn).any(axis=0)
    ends = np.full((2, drawn.shape[1]), np.nan)
    ends[:, known] = np.nanpercentile(drawn[:, known], [tail, 100 - tail], axis=0)
    return ends[0], ends[1]


def without_nan(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Replace NaN by None, which JSON has."""
    return {
        key: None if isinstance(value, float) and not math.isfinite(value) else value
        for key, value in facts.items()
    }


def with_nan(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Undo ``without_nan``."""
    return {key: math.nan if value is None else value for key, value in facts.items()}


def _permutation_p(a: Floats, b: Floats, seed: int) -> float:
    if len(a) < 2:
        return math.nan
    test = permutation_test(
        (a, b),
        lambda x, y, axis: np.mean(x - y, axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=N_PERMUTATIONS,
        batch=PERMUTATION_BATCH,
        # ``rng``, the new name, is not known to SciPy before 1.15
        random_state=np.random.default_rng(seed),
    )
    return float(test.pvalue)
