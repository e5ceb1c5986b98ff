"""Whether the gate trusts a modality where its expert is good."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bundle.evaluation.metrics import CORRELATED, weight_name
from bundle.evaluation.score_table import ScoreTable
from bundle.evaluation.statistics.intervals import N_RESAMPLES, percentiles, with_nan, without_nan

Floats = NDArray[np.float64]

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

    @classmethod
    def from_json(cls, facts: Mapping[str, Any]) -> "Correlation":
        """Read what ``to_json`` returned."""
        return cls(**with_nan(facts))


Correlations = dict[str, dict[str, dict[str, Correlation]]]
"""Modality, region and metric to correlation."""


def correlate(x: Floats, y: Floats, seed: int) -> Correlation:
    """Correlate (C,) with (C,) values in [0, 1]; pairs with a NaN are left out."""
    known = np.isfinite(x) & np.isfinite(y)
    x, y = x[known], y[known]
    r = float(pearson(x, y)) if len(x) >= 3 else math.nan
    if math.isnan(r) or len(x) < SMALLEST_SAMPLE:
        return Correlation(r, math.nan, math.nan, len(x))
    drawn = np.random.default_rng(seed).integers(len(x), size=(N_RESAMPLES, len(x)))
    low, high = percentiles(pearson(x[drawn], y[drawn])[:, None])
    return Correlation(r, float(low[0]), float(high[0]), len(x))


def weights_and_performance(table: ScoreTable, *, empty: str, seed: int) -> Correlations:
    """Correlate the mean gate weight of a modality with what its expert achieves alone, over cases.

    The weight is that of the largest set of the case. Where cases differ in what was acquired, part
    of the correlation is that weights are larger among fewer modalities.

    Args:
        table: scores of a run.
        empty: ``skip`` or ``one``, see ``ScoreTable.values``.
        seed: of the bootstrap.

    Returns:
        Modality, region and name of a metric of ``CORRELATED`` to correlation; nothing for
        modalities without weights.

    Source: Li et al., SimMLM, arXiv:2507.19264, supplement, discussion of the gate.
    """
    metrics = [metric.name for metric in CORRELATED if metric.name in table.metrics]
    alone = {metric: table.values(metric, empty=empty) for metric in metrics}
    found: Correlations = {}
    for modality in table.names.modalities:
        if modality not in table.sets or weight_name(modality) not in table.metrics:
            continue
        place = table.sets.index(modality)
        weights = _of_largest_set(table, weight_name(modality))
        found[modality] = {}
        for index, region in enumerate(table.regions):
            found[modality][region] = {
                metric: correlate(weights[:, index], values[:, place, index], seed)
                for metric, values in alone.items()
            }
    return found


def _of_largest_set(table: ScoreTable, metric: str) -> Floats:
    """Return (C, R) values from the largest set of each case.

    Sets are in order of size, so it is the last known.
    """
    values = table.values(metric, empty="one")
    known = np.isfinite(values)
    last = values.shape[1] - 1 - known[:, ::-1].argmax(axis=1)
    chosen = np.take_along_axis(values, last[:, None], axis=1)[:, 0]
    return np.where(known.any(axis=1), chosen, np.nan)


def pearson(x: Floats, y: Floats) -> Floats:
    """Correlate along the last axis; NaN without variance."""
    spread_x, spread_y = x.std(axis=-1), y.std(axis=-1)
    x = x - x.mean(axis=-1, keepdims=True)
    y = y - y.mean(axis=-1, keepdims=True)
    varies = (spread_x > SMALLEST_SPREAD) & (spread_y > SMALLEST_SPREAD)
    size = np.where(varies, spread_x * spread_y, 1.0)
    r: Floats = np.where(varies, np.clip((x * y).mean(axis=-1) / size, -1, 1), np.nan)
    return r
