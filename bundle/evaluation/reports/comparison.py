"""Puts evaluated runs side by side, with differences to the first of them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bundle.errors import UsageError
from bundle.evaluation.reports.tables import (
    UNKNOWN,
    convention,
    latex_number,
    latex_table,
    latex_text,
    markdown_table,
    markdown_text,
    metric_name,
    shown,
    shown_interval,
)
from bundle.evaluation.score_table import ALL_SETS, ScoreTable
from bundle.evaluation.statistics.intervals import bootstrap_mean, paired_difference
from bundle.evaluation.statistics.summary import MEAN, mean_over_sets
from bundle.tasks.regions import REGIONS

Floats = NDArray[np.float64]
Text = Callable[[str], str]
Result = Mapping[str, Any]

_LOWER_IS_BETTER = ("hd95_mm", "ece", "sce")
_HIGHER_IS_BETTER = (
    "dice",
    "surface_dice_1mm",
    "sensitivity",
    "precision",
    "entropy_auroc",
    "confidence",
)
_SET_TITLE = (
    "Every set by itself: mean (difference to {}; p, not corrected for the number of tests)."
)


def compare(
    runs: Mapping[str, ScoreTable], metric: str = "dice", *, empty: str = "skip", seed: int = 0
) -> dict[str, Any]:
    """Compare runs on the values that all of them have.

    A case that one run lacks is left out of all, for means of different cases cannot be compared;
    so is a single value, such as the precision where a run predicts nothing. Means may thus differ
    from those of the runs' own reports.

    Args:
        runs: name to scores; the first is the reference.
        metric: what to compare.
        empty: ``skip`` or ``one``, see ``ScoreTable.values``.
        seed: of bootstrap and permutations.

    Returns:
        Plain JSON: ``metric``, ``empty``, ``runs`` (names), ``n_cases`` that all have,
        ``n_left_out`` by run, ``sets``, ``regions``; ``mean`` (over sets): region and run to mean,
        low, high, n and, but for the reference, ``difference`` (to the reference: mean, low, high,
        n, p); ``by_set``: set to the same. What is not defined is None.

    Raises:
        UsageError: E_SCORES, a run lacks the metric, or there is no case, set or region that all
            have.
    """
    _check_metric(runs, metric)
    cases, sets, regions = (
        [name for name in order if name in common]
        for order, common in (
            (
                sorted({case for table in runs.values() for case in table.cases}),
                _common("case", runs, "cases"),
            ),
            (ALL_SETS, _common("set", runs, "sets")),
            (REGIONS, _common("region", runs, "regions")),
        )
    )
    values = _shared_values(runs, metric, empty, (cases, sets, regions))
    means = {name: mean_over_sets(array) for name, array in values.items()}
    of_sets = {
        chosen: {name: array[:, s] for name, array in values.items()}
        for s, chosen in enumerate(sets)
    }
    return {
        "metric": metric,
        "empty": empty,
        "runs": list(runs),
        "n_cases": len(cases),
        "n_left_out": {name: len(table.cases) - len(cases) for name, table in runs.items()},
        "sets": sets,
        "regions": regions,
        MEAN: _by_region(means, regions, seed),
        "by_set": {
            chosen: _by_region(columns, regions, seed) for chosen, columns in of_sets.items()
        },
    }


def markdown_comparison(result: Result) -> str:
    """Table a comparison: per region the runs with intervals, differences and p, the best in bold;
    then every set.
    """
    names = [markdown_text(name) for name in result["runs"]]
    head = ["region", "run", "mean (95 % interval)", f"difference to {names[0]}", "p"]
    groups = _mean_groups(result, names, "**{}**".format, str)
    parts = [_notes(result, markdown_text)]
    parts.append(
        markdown_table(
            head, [row for rows in groups for row in rows], ["---", "---", *["---:"] * 3]
        )
    )
    if len(result["sets"]) > 1:
        rows = [row for rows in _set_groups(result, "**{}**".format, str) for row in rows]
        parts.append(_SET_TITLE.format(names[0]))
        parts.append(
            markdown_table(["set", "region", *names], rows, ["---", "---", *["---:"] * len(names)])
        )
    return "\n\n".join(parts)


def latex_comparison(result: Result) -> str:
    r"""Write the tables of ``markdown_comparison`` for LaTeX; they need
    ``\usepackage{booktabs}``.
    """
    names = [latex_text(name) for name in result["runs"]]
    head = ["region", "run", r"mean (95\,\% interval)", f"difference to {names[0]}", "$p$"]
    groups = _mean_groups(result, names, r"\textbf{{{}}}".format, latex_number)
    parts = [f"% {_notes(result, latex_text)}\n{latex_table(head, groups, 'llrrr')}"]
    if len(result["sets"]) > 1:
        groups = _set_groups(result, r"\textbf{{{}}}".format, latex_number)
        table = latex_table(["set", "region", *names], groups, "ll" + "r" * len(names))
        parts.append(f"% {_SET_TITLE.format(names[0])}\n{table}")
    return "\n\n".join(parts)


def _check_metric(runs: Mapping[str, ScoreTable], metric: str) -> None:
    for name, table in runs.items():
        if metric not in table.metrics:
            known = ", ".join(table.metrics)
            raise UsageError(
                "E_SCORES",
                f"metric must be one of those of {name}, {known}; got {metric!r}. Choose one of"
                " them.",
            )


def _common(what: str, runs: Mapping[str, ScoreTable], attribute: str) -> set[str]:
    """Find what all runs have."""
    owned = {name: set(getattr(table, attribute)) for name, table in runs.items()}
    names = list(owned)
    common = owned[names[0]]
    for index, name in enumerate(names[1:], start=1):
        if not common & owned[name]:
            raise UsageError(
                "E_SCORES",
                f"Runs must have a {what} in common; got none of {' and '.join(names[:index])} in"
                f" {name}. Compare runs that were judged on the same {attribute}.",
            )
        common = common & owned[name]
    return common


def _shared_values(
    runs: Mapping[str, ScoreTable], metric: str, empty: str, wanted: tuple[Sequence[str], ...]
) -> dict[str, Floats]:
    """Return (C, S, R) values of chosen cases, sets and regions for every run, NaN where any of
    them has none.
    """
    stacked = np.stack(
        [_chosen(table, table.values(metric, empty=empty), wanted) for table in runs.values()]
    )
    shared = np.where(np.isfinite(stacked).all(axis=0), stacked, np.nan)
    return dict(zip(runs, shared, strict=True))


def _chosen(table: ScoreTable, values: Floats, wanted: tuple[Sequence[str], ...]) -> Floats:
    owned = (table.cases, table.sets, table.regions)
    places = [[own.index(name) for name in names] for own, names in zip(owned, wanted, strict=True)]
    return values[np.ix_(*places)]


def _by_region(columns: Mapping[str, Floats], regions: Sequence[str], seed: int) -> dict[str, Any]:
    """Compare (C, R) values of every run with those of the first, region by region."""
    return {
        region: _side_by_side({name: values[:, index] for name, values in columns.items()}, seed)
        for index, region in enumerate(regions)
    }


def _side_by_side(columns: Mapping[str, Floats], seed: int) -> dict[str, Any]:
    """Compare (C,) values of every run with those of the first."""
    reference, *others = columns
    found = {name: bootstrap_mean(values, seed).to_json() for name, values in columns.items()}
    for name in others:
        found[name]["difference"] = paired_difference(
            columns[name], columns[reference], seed
        ).to_json()
    return found


def _notes(result: Result, escaped: Text) -> str:
    """Say what was compared."""
    sets = (
        f"mean over {len(result['sets'])} modality sets"
        if len(result["sets"]) > 1
        else f"set {result['sets'][0]}"
    )
    n = ", ".join(
        f"{region} {next(iter(runs.values()))['n']}" for region, runs in result[MEAN].items()
    )
    notes = f"{escaped(metric_name(result['metric']))}, {sets}. "
    notes += f"{result['n_cases']} cases that all runs have, with values: {n}. "
    notes += f"{convention(result['metric'], result['empty'])}."
    left_out = ", ".join(f"{escaped(name)} {n}" for name, n in result["n_left_out"].items() if n)
    return notes + (f" Cases that not all runs have, left out: {left_out}." if left_out else "")


def _mean_groups(
    result: Result, names: Sequence[str], bold: Text, number: Text
) -> list[list[list[str]]]:
    """Make the rows of the first table, a group per region; names are escaped already."""
    metric = result["metric"]
    groups = []
    for region, runs in result[MEAN].items():
        best = _best(metric, runs)
        groups.append(
            [
                [
                    region,
                    name,
                    _marked(metric, found, best, bold, number(shown_interval(metric, found))),
                ]
                + [number(cell) for cell in _difference(metric, found)]
                for name, found in zip(names, runs.values(), strict=True)
            ]
        )
    return groups


def _set_groups(result: Result, bold: Text, number: Text) -> list[list[list[str]]]:
    """Make the rows of the second table, a group per set."""
    metric = result["metric"]
    return [
        [
            [
                chosen,
                region,
                *(
                    _set_cell(metric, found, _best(metric, runs), bold, number)
                    for found in runs.values()
                ),
            ]
            for region, runs in regions.items()
        ]
        for chosen, regions in result["by_set"].items()
    ]


def _set_cell(metric: str, found: Result, best: str | None, bold: Text, number: Text) -> str:
    mean = _marked(metric, found, best, bold, number(shown(metric, found["mean"])))
    difference = found.get("difference")
    if difference is None or difference["mean"] is None:
        return mean
    return f"{mean} ({number(shown(metric, difference['mean'], '+'))}; {number(_p(difference))})"


def _best(metric: str, runs: Mapping[str, Any]) -> str | None:
    """Return the best mean of a row as it is shown, where one can say which is."""
    known = [found["mean"] for found in runs.values() if found["mean"] is not None]
    if len(known) < 2 or metric not in (*_LOWER_IS_BETTER, *_HIGHER_IS_BETTER):
        return None
    return shown(metric, min(known) if metric in _LOWER_IS_BETTER else max(known))


def _marked(metric: str, found: Result, best: str | None, bold: Text, text: str) -> str:
    """Make a cell bold if it shows the best mean; runs that show the same share the honour."""
    return bold(text) if best is not None and shown(metric, found["mean"]) == best else text


def _difference(metric: str, found: Result) -> list[str]:
    difference = found.get("difference")
    return (
        ["", ""]
        if difference is None
        else [shown_interval(metric, difference, "+"), _p(difference)]
    )


def _p(difference: Result) -> str:
    return UNKNOWN if difference["p"] is None else f"{difference['p']:.3g}"
