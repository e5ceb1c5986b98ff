"""Averages a table of scores into what a report says."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bundle.errors import UsageError
from bundle.evaluation.metrics import DICE, Metric, metric_named
from bundle.evaluation.score_table import EMPTY, ScoreTable
from bundle.evaluation.statistics.correlations import (
    Correlation,
    Correlations,
    weights_and_performance,
)
from bundle.evaluation.statistics.intervals import Interval, bootstrap_means
from bundle.evaluation.statistics.set_pairs import PairRate, counter_intuitive_rates
from bundle.evaluation.task_names import TaskNames

MEAN = "mean"
"""Stands for the average over the modality sets of a case, where else the name of a set stands."""

Means = dict[str, dict[str, Interval]]
"""Modality set or ``MEAN``, and region, to the mean over cases."""


@dataclass(frozen=True)
class Summary:
    """Averages over the cases of a run. What is not defined is NaN, and None in JSON.

    Attributes:
        names: of the task's modalities and regions.
        n_cases: number of cases.
        sets: those that occur, small ones first.
        regions: those that occur, in the task's order.
        empty: ``skip`` or ``one``, see ``ScoreTable.values``.
        means: name of a metric to its means.
        weights_and_performance: see there; nothing without weights.
        dice_other_convention: the means of Dice under the other one of ``EMPTY``; None without
            Dice, like ``counter_intuitive``.
        counter_intuitive: region to rate.
    """

    names: TaskNames
    n_cases: int
    sets: tuple[str, ...]
    regions: tuple[str, ...]
    empty: str
    means: dict[str, Means]
    weights_and_performance: Correlations
    dice_other_convention: Means | None = None
    counter_intuitive: dict[str, PairRate] | None = None

    def metric(self, name: str) -> Metric:
        """Return the metric of a name."""
        return metric_named(name, self.names.titles)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON."""
        facts = {
            "task": self.names.to_json(),
            "n_cases": self.n_cases,
            "sets": list(self.sets),
            "regions": list(self.regions),
            "empty": self.empty,
            "means": _to_json(self.means),
            "weights_and_performance": _to_json(self.weights_and_performance),
        }
        if self.dice_other_convention is not None:
            facts["dice_other_convention"] = _to_json(self.dice_other_convention)
        if self.counter_intuitive is not None:
            facts["counter_intuitive"] = _to_json(self.counter_intuitive)
        return facts

    @classmethod
    def from_json(cls, facts: Mapping[str, Any], default: TaskNames) -> "Summary":
        """Read what ``to_json`` returned; other keys are left alone.

        Args:
            facts: the JSON.
            default: names for reports from before they stored any.

        Raises:
            UsageError: E_SCORES, it is no summary.
        """
        try:
            return cls(
                names=TaskNames.from_json(facts["task"]) if "task" in facts else default,
                n_cases=int(facts["n_cases"]),
                sets=tuple(facts["sets"]),
                regions=tuple(facts["regions"]),
                empty=str(facts["empty"]),
                means={name: _means_of(means) for name, means in facts["means"].items()},
                weights_and_performance=_correlations_of(facts["weights_and_performance"]),
                dice_other_convention=_optional(_means_of, facts.get("dice_other_convention")),
                counter_intuitive=_optional(_rates_of, facts.get("counter_intuitive")),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise UsageError(
                "E_SCORES",
                f"A summary must be one that `simmlm evaluate` wrote; got {type(error).__name__}:"
                f" {error}. Judge again.",
            ) from error


def summarise(table: ScoreTable, *, empty: str = "skip", seed: int = 0) -> Summary:
    """Average scores over cases.

    Args:
        table: scores of a run.
        empty: ``skip`` or ``one``, see ``ScoreTable.values``.
        seed: of the bootstrap.
    """
    other = next(convention for convention in EMPTY if convention != empty)
    means = {}
    for metric in table.metrics:
        means[metric] = _means(table, table.values(metric, empty=empty), seed)
    dice_other, rates = None, None
    if DICE.name in table.metrics:
        dice_other = _means(table, table.values(DICE.name, empty=other), seed)
        found = counter_intuitive_rates(table.values(DICE.name, empty=empty), table.sets, seed)
        rates = dict(zip(table.regions, found, strict=True))
    return Summary(
        table.names,
        len(table.cases),
        table.sets,
        table.regions,
        empty,
        means,
        weights_and_performance(table, empty=empty, seed=seed),
        dice_other,
        rates,
    )


def mean_over_sets(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Average (C, S, R) over the sets that a case has: (C, R), NaN where it has none."""
    known = np.isfinite(values)
    n = known.sum(axis=1)
    total = np.where(known, values, 0.0).sum(axis=1)
    return np.where(n > 0, total / np.maximum(n, 1), np.nan)


def _means(table: ScoreTable, values: NDArray[np.float64], seed: int) -> Means:
    rows = np.concatenate([values, mean_over_sets(values)[:, None]], axis=1)
    intervals = bootstrap_means(rows, seed)
    means = {}
    for row, name in zip(intervals, (*table.sets, MEAN), strict=True):
        means[name] = dict(zip(table.regions, row.tolist(), strict=True))
    return means


def _to_json(nested: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: _to_json(value) if isinstance(value, Mapping) else value.to_json()
        for key, value in nested.items()
    }


def _means_of(facts: Mapping[str, Mapping[str, Any]]) -> Means:
    means = {}
    for name, regions in facts.items():
        means[name] = {region: Interval.from_json(found) for region, found in regions.items()}
    return means


def _correlations_of(facts: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> Correlations:
    correlations: Correlations = {}
    for modality, regions in facts.items():
        correlations[modality] = {}
        for region, found in regions.items():
            correlations[modality][region] = {
                metric: Correlation.from_json(one) for metric, one in found.items()
            }
    return correlations


def _rates_of(facts: Mapping[str, Any]) -> dict[str, PairRate]:
    return {region: PairRate.from_json(found) for region, found in facts.items()}


def _optional(read: Any, facts: Any) -> Any:
    return None if facts is None else read(facts)
