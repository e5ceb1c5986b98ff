"""Whether the gate trusts a modality where its expert is good."""

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bundle.evaluation.score_table import ScoreTable, set_members
from bundle.evaluation.statistics.intervals import N_RESAMPLES, percentiles, without_nan

Floats = NDArray[np.float64]

PERFORMANCES = ("dice", "confidence")

SMALLEST_SAMPLE = 10
"""Cases below which there is no interval: a resample of two distinct cases is always a perfect
correlation.
"""

SMALLEST_SPREAD = 1e-6
"""Standard deviation of weights or scores, all in [0, 1], below which they are constant: the rest
is rounding.
"""


@dataclass(frozen=True)
class Correlation:
    """Pearson correlation over cases.

    Attributes:
        r: NaN with fewer than three cases or without variance. low, high: 95 % percentile bootstrap
            over cases; NaN with fewer than ten cases, and where r is.
        n: cases.
    """

    r: float
    low: float
    high: float
    n: int

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON; NaN becomes None."""
        return without_nan(asdict(self))


def correlate(x: Floats, y: Floats, seed: int) -> Correlation:
    """Correlate (C,) with (C,) values in [0, 1]; pairs with a NaN are left out."""
    known = np.isfinite(x) & np.isfinite(y)
    x, y = x[known], y[known]
    r = float(_pearson(x, y)) if len(x) >= 3 else math.nan
    if math.isnan(r) or len(x) < SMALLEST_SAMPLE:
        return Correlation(r, math.nan, math.nan, len(x))
    drawn = np.random.default_rng(seed).integers(len(x), size=(N_RESAMPLES, len(x)))
    low, high = percentiles(_pearson(x[drawn], y[drawn])[:, None])
    return Correlation(r, float(low[0]), float(high[0]), len(x))


def weights_and_performance(
    table: ScoreTable, *, empty: str, seed: int
) -> dict[str, dict[str, dict[str, Correlation]]]:
    """Correlate the mean gate weight of a modality with what its expert achieves alone, over cases.

    The weight is that of the largest set of the case. Where cases differ in what was acquired, part
    of the correlation is that weights are larger among fewer modalities.

    Args:
        table: scores of a run.
        empty: ``skip`` or ``one``, see ``ScoreTable.values``.
        seed: of the bootstrap.

    Returns:
        Modality, region and ``dice`` or ``confidence`` to correlation; nothing for modalities
        without weights.

    Source: Li et al., SimMLM, arXiv:2507.19264, supplement, discussion of the gate.
    """
    singles = [
        name
        for name in table.sets
        if len(set_members(name)) == 1 and f"weight_{name}" in table.metrics
    ]
    known = [metric for metric in PERFORMANCES if metric in table.metrics]
    alone = {metric: table.values(metric, empty=empty) for metric in known}
    return {
        name: {
            region: {
                metric: correlate(
                    weights[:, index], alone[metric][:, table.sets.index(name), index], seed
                )
                for metric in known
            }
            for index, region in enumerate(table.regions)
        }
        for name, weights in ((name, _of_largest_set(table, f"weight_{name}")) for name in singles)
    }


def _of_largest_set(table: ScoreTable, metric: str) -> Floats:
    """Return (C, R) values from the largest set of each case; sets are in order of size, so it is
    the last known.
    """
    values = table.values(metric, empty="one")
    known = np.isfinite(values)
    last = values.shape[1] - 1 - known[:, ::-1].argmax(axis=1)
    chosen = np.take_along_axis(values, last[:, None], axis=1)[:, 0]
    return np.where(known.any(axis=1), chosen, np.nan)


def _pearson(x: Floats, y: Floats) -> Floats:
    """Correlate along the last axis; NaN without variance."""
    spread_x, spread_y = x.std(axis=-1), y.std(axis=-1)
    x, y = (part - part.mean(axis=-1, keepdims=True) for part in (x, y))
    varies = (spread_x > SMALLEST_SPREAD) & (spread_y > SMALLEST_SPREAD)
    size = np.where(varies, spread_x * spread_y, 1.0)
    r: Floats = np.where(varies, np.clip((x * y).mean(axis=-1) / size, -1, 1), np.nan)
    return r
