"""Averages a table of scores into what a report says, as plain JSON."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bundle.evaluation.score_table import EMPTY, ScoreTable
from bundle.evaluation.statistics.correlations import weights_and_performance
from bundle.evaluation.statistics.intervals import bootstrap_means
from bundle.evaluation.statistics.set_pairs import counter_intuitive_rates

MEAN = "mean"
"""Stands for the average over the modality sets of a case, where else the name of a set stands."""


def summarise(table: ScoreTable, *, empty: str = "skip", seed: int = 0) -> dict[str, Any]:
    """Average scores over cases.

    Args:
        table: scores of a run.
        empty: ``skip`` or ``one``, see ``ScoreTable.values``.
        seed: of the bootstrap.

    Returns:
        ``n_cases``, ``sets``, ``regions``, ``empty``; ``means``: metric, set or ``mean``, region to
        mean, low, high, n;
        ``dice_other_convention``: the same for Dice under the other convention;
        ``counter_intuitive``: region to rate, low, high, n_pairs; ``weights_and_performance``:
        modality, region, ``dice`` or ``confidence`` to r, low, high, n. What is not defined is
        None.
    """
    other = next(convention for convention in EMPTY if convention != empty)
    facts = {
        "n_cases": len(table.cases),
        "sets": list(table.sets),
        "regions": list(table.regions),
        "empty": empty,
    }
    facts |= {
        "means": {
            metric: _means(table, table.values(metric, empty=empty), seed)
            for metric in table.metrics
        }
    }
    correlations = weights_and_performance(table, empty=empty, seed=seed)
    facts["weights_and_performance"] = _plain(correlations)
    if "dice" in table.metrics:
        facts["dice_other_convention"] = _means(table, table.values("dice", empty=other), seed)
        rates = counter_intuitive_rates(table.values("dice", empty=empty), table.sets, seed)
        facts["counter_intuitive"] = {
            r: rate.to_json() for r, rate in zip(table.regions, rates, strict=True)
        }
    return facts


def mean_over_sets(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Average (C, S, R) over the sets that a case has: (C, R), NaN where it has none."""
    known = np.isfinite(values)
    n = known.sum(axis=1)
    total = np.where(known, values, 0.0).sum(axis=1)
    return np.where(n > 0, total / np.maximum(n, 1), np.nan)


def _means(
    table: ScoreTable, values: NDArray[np.float64], seed: int
) -> dict[str, dict[str, dict[str, Any]]]:
    rows = np.concatenate([values, mean_over_sets(values)[:, None]], axis=1)
    intervals = bootstrap_means(rows, seed)
    return {
        name: {region: intervals[s, r].to_json() for r, region in enumerate(table.regions)}
        for s, name in enumerate((*table.sets, MEAN))
    }


def _plain(nested: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: _plain(value) if isinstance(value, Mapping) else value.to_json()
        for key, value in nested.items()
    }
