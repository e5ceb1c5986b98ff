"""Puts the scores of evaluated runs side by side, with differences to the first of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bundle.errors import UsageError
from bundle.evaluation.metrics import Metric
from bundle.evaluation.score_table import ScoreTable
from bundle.evaluation.statistics.intervals import (
    Difference,
    Interval,
    bootstrap_mean,
    paired_difference,
)
from bundle.evaluation.statistics.summary import MEAN, mean_over_sets

Floats = NDArray[np.float64]
Runs = Mapping[str, ScoreTable]


@dataclass(frozen=True)
class RunMean:
    """What a run achieves.

    Attributes:
        mean: over the cases that all runs have.
        difference: to the reference; None for the reference itself.
    """

    mean: Interval
    difference: Difference | None

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON; NaN becomes None."""
        facts = self.mean.to_json()
        if self.difference is not None:
            facts["difference"] = self.difference.to_json()
        return facts


ByRegion = dict[str, dict[str, RunMean]]
"""Region and run to what it achieves."""


@dataclass(frozen=True)
class Comparison:
    """Runs side by side.

    Attributes:
        metric: what is compared.
        empty: ``skip`` or ``one``, see ``ScoreTable.values``.
        runs: names, the reference first.
        n_cases: cases that all runs have.
        n_left_out: run to cases that others lack.
        sets: modality sets that all have.
        regions: regions that all have.
        mean: of the mean over sets.
        by_set: set to the same for it alone.
    """

    metric: Metric
    empty: str
    runs: tuple[str, ...]
    n_cases: int
    n_left_out: dict[str, int]
    sets: tuple[str, ...]
    regions: tuple[str, ...]
    mean: ByRegion
    by_set: dict[str, ByRegion]

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON; what is not defined is None."""
        return {
            "metric": self.metric.name,
            "empty": self.empty,
            "runs": list(self.runs),
            "n_cases": self.n_cases,
            "n_left_out": self.n_left_out,
            "sets": list(self.sets),
            "regions": list(self.regions),
            MEAN: _to_json(self.mean),
            "by_set": {chosen: _to_json(regions) for chosen, regions in self.by_set.items()},
        }


def compare(runs: Runs, metric: str = "dice", *, empty: str = "skip", seed: int = 0) -> Comparison:
    """Compare runs on the values that all of them have.

    A case that one run lacks is left out of all, for means of different cases cannot be compared;
    so is a single value, such as the precision where a run predicts nothing. Means may thus differ
    from those of the runs' own reports.

    Args:
        runs: name to scores; the first is the reference.
        metric: name of what to compare.
        empty: ``skip`` or ``one``, see ``ScoreTable.values``.
        seed: of bootstrap and permutations.

    Raises:
        UsageError: E_SCORES, a run lacks the metric, or there is no case, set or region that all
            have.
    """
    _check_metric(runs, metric)
    reference = next(iter(runs.values()))
    cases = _common("case", {name: table.cases for name, table in runs.items()})
    sets = _common("set", {name: table.sets for name, table in runs.items()})
    regions = _common("region", {name: table.regions for name, table in runs.items()})
    values = _shared_values(runs, metric, empty, (cases, sets, regions))
    means = {name: mean_over_sets(array) for name, array in values.items()}
    by_set = {}
    for index, chosen in enumerate(sets):
        of_set = {name: array[:, index] for name, array in values.items()}
        by_set[chosen] = _by_region(of_set, regions, seed)
    return Comparison(
        metric=reference.metric(metric),
        empty=empty,
        runs=tuple(runs),
        n_cases=len(cases),
        n_left_out={name: len(table.cases) - len(cases) for name, table in runs.items()},
        sets=sets,
        regions=regions,
        mean=_by_region(means, regions, seed),
        by_set=by_set,
    )


def _check_metric(runs: Runs, metric: str) -> None:
    for name, table in runs.items():
        if metric not in table.metrics:
            known = ", ".join(table.metrics)
            raise UsageError(
                "E_SCORES",
                f"metric must be one of those of {name}, {known}; got {metric!r}. Choose one of"
                " them.",
            )


def _common(what: str, owned: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """Find what all runs have, in the order of the first."""
    names = list(owned)
    common = list(owned[names[0]])
    for index, name in enumerate(names[1:], start=1):
        there = set(owned[name])
        common = [one for one in common if one in there]
        if not common:
            raise UsageError(
                "E_SCORES",
                f"Runs must have a {what} in common; got none of {' and '.join(names[:index])} in"
                f" {name}. Compare runs that were judged on the same {what}s.",
            )
    return tuple(common)


def _shared_values(
    runs: Runs, metric: str, empty: str, wanted: tuple[Sequence[str], ...]
) -> dict[str, Floats]:
    """Return (C, S, R) values of chosen cases, sets and regions for every run, NaN where any of
    them has none.
    """
    chosen = [_chosen(table, table.values(metric, empty=empty), wanted) for table in runs.values()]
    stacked = np.stack(chosen)
    shared = np.where(np.isfinite(stacked).all(axis=0), stacked, np.nan)
    return dict(zip(runs, shared, strict=True))


def _chosen(table: ScoreTable, values: Floats, wanted: tuple[Sequence[str], ...]) -> Floats:
    places = []
    for owned, names in zip((table.cases, table.sets, table.regions), wanted, strict=True):
        places.append([owned.index(name) for name in names])
    return values[np.ix_(*places)]


def _by_region(columns: Mapping[str, Floats], regions: Sequence[str], seed: int) -> ByRegion:
    """Compare (C, R) values of every run with those of the first, region by region."""
    found = {}
    for index, region in enumerate(regions):
        of_region = {name: values[:, index] for name, values in columns.items()}
        found[region] = _side_by_side(of_region, seed)
    return found


def _side_by_side(columns: Mapping[str, Floats], seed: int) -> dict[str, RunMean]:
    """Compare (C,) values of every run with those of the first."""
    reference = next(iter(columns))
    found = {}
    for name, values in columns.items():
        difference = None
        if name != reference:
            difference = paired_difference(values, columns[reference], seed)
        found[name] = RunMean(bootstrap_mean(values, seed), difference)
    return found


def _to_json(regions: ByRegion) -> dict[str, Any]:
    facts = {}
    for region, runs in regions.items():
        facts[region] = {name: found.to_json() for name, found in runs.items()}
    return facts
