"""Puts evaluated runs side by side, with differences to the first of them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bundle.errors import UsageError
from bundle.evaluation.intervals import bootstrap_mean, paired_difference
from bundle.evaluation.score_table import ALL_SETS, ScoreTable
from bundle.evaluation.summary import MEAN, mean_over_sets
from bundle.evaluation.tables import UNKNOWN, latex_text, markdown_text, metric_name, shown
from bundle.regions import REGIONS

Floats = NDArray[np.float64]

_LOWER_IS_BETTER = ("hd95_mm", "ece", "sce")
_HIGHER_IS_BETTER = ("dice", "surface_dice_1mm", "sensitivity", "precision", "entropy_auroc", "confidence")


def compare(
    runs: Mapping[str, ScoreTable], metric: str = "dice", *, empty: str = "skip", seed: int = 0
) -> dict[str, Any]:
    """Compare runs on the cases and sets that all of them have.

    Args:
        runs: name to scores; the first is the reference.
        metric: what to compare.
        empty: ``skip`` or ``one``, see ``ScoreTable.values``.
        seed: of bootstrap and permutations.

    Returns:
        Plain JSON: ``metric``, ``empty``, ``runs`` (names), ``n_cases`` compared, ``n_left_out`` by run, ``sets``,
        ``regions``; ``mean`` (over sets): region and run to mean, low, high, n and, but for the reference,
        ``difference`` (mean, low, high, n, p); ``by_set``: set to the same.

    Raises:
        UsageError: E_SCORES, a run lacks the metric, or two have no case or no set in common.
    """
    cases = _common("case", {name: table.cases for name, table in runs.items()})
    sets = [name for name in ALL_SETS if name in _common("set", {name: table.sets for name, table in runs.items()})]
    kept = {name: set(table.regions) for name, table in runs.items()}
    regions = [region for region in REGIONS if all(region in own for own in kept.values())]
    values = {name: _chosen(table, metric, empty, (sorted(cases), sets, regions)) for name, table in runs.items()}
    means = {name: mean_over_sets(array) for name, array in values.items()}

    def of_regions(columns: Callable[[str], Floats]) -> dict[str, Any]:
        return {
            region: _side_by_side({name: columns(name)[:, index] for name in runs}, seed)
            for index, region in enumerate(regions)
        }

    return {
        "metric": metric,
        "empty": empty,
        "runs": list(runs),
        "n_cases": len(cases),
        "n_left_out": {name: len(table.cases) - len(cases) for name, table in runs.items()},
        "sets": sets,
        "regions": regions,
        MEAN: of_regions(means.__getitem__),
        "by_set": {
            chosen: of_regions(lambda name, s=s: values[name][:, s])  # type: ignore[misc]
            for s, chosen in enumerate(sets)
        },
    }


def markdown_comparison(result: Mapping[str, Any]) -> str:
    """Table a comparison: per region the runs with intervals, differences and p; then every set."""
    names = [markdown_text(name) for name in result["runs"]]
    metric, reference = result["metric"], names[0]
    left_out = ", ".join(f"{name} {n}" for name, n in zip(names, result["n_left_out"].values(), strict=True) if n)
    parts = [f"{metric_name(metric)}, {result['n_cases']} cases that all runs have, {_sets_text(result)}."]
    parts += [f"Cases that not all runs have, left out: {left_out}."] if left_out else []
    head = ["region", "run", "mean (95 % interval)", f"difference to {reference}", "p"]
    rows = [
        [region, name, _bold(_interval(metric, found), best, "**{}**"), *_difference(metric, found)]
        for region, runs in result[MEAN].items()
        for name, (found, best) in zip(names, _with_best(metric, runs), strict=True)
    ]
    parts.append(_markdown(head, rows, n_left=2))
    if len(result["sets"]) > 1:
        parts.append(_markdown(["set", "region", *names], _rows_by_set(result, "**{}**"), n_left=2))
    return "\n\n".join(parts)


def latex_comparison(result: Mapping[str, Any]) -> str:
    r"""Write the first table of ``markdown_comparison`` for LaTeX; it needs ``\usepackage{booktabs}``."""
    metric = result["metric"]
    names = [latex_text(name) for name in result["runs"]]
    lines = [f"% {metric_name(metric)}, {result['n_cases']} cases, {_sets_text(result)}", r"\begin{tabular}{llrrr}"]
    lines += [r"\toprule", rf"region & run & mean (95\,\% interval) & difference to {names[0]} & $p$ \\"]
    for region, runs in result[MEAN].items():
        lines.append(r"\midrule")
        for name, (found, best) in zip(names, _with_best(metric, runs), strict=True):
            mean = _bold(_interval(metric, found), best, r"\textbf{{{}}}")
            difference, p = (latex_text(cell).replace(UNKNOWN, "--") for cell in _difference(metric, found))
            lines.append(rf"{region} & {name} & {mean} & {difference} & {p} \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}"])


def _common(what: str, owned: Mapping[str, Sequence[str]]) -> set[str]:
    first, *others = owned
    common = set(owned[first])
    for other in others:
        if not common & set(owned[other]):
            raise UsageError("E_SCORES", f"Runs must have a {what} in common; got none of {first} in {other}.")
        common &= set(owned[other])
    return common


def _chosen(table: ScoreTable, metric: str, empty: str, wanted: tuple[Sequence[str], ...]) -> Floats:
    """Give (C, S, R) values of chosen cases, sets and regions."""
    owned = (table.cases, table.sets, table.regions)
    places = [[own.index(name) for name in names] for own, names in zip(owned, wanted, strict=True)]
    return table.values(metric, empty=empty)[np.ix_(*places)]


def _side_by_side(columns: Mapping[str, Floats], seed: int) -> dict[str, Any]:
    """Compare the cases' values (C,) of every run with those of the first."""
    reference, *others = columns
    found = {name: bootstrap_mean(values, seed).to_json() for name, values in columns.items()}
    for name in others:
        found[name]["difference"] = paired_difference(columns[name], columns[reference], seed).to_json()
    return found


def _with_best(metric: str, runs: Mapping[str, Any]) -> list[tuple[dict[str, Any], bool]]:
    """Mark the best mean of a row, where one can say which is."""
    known = [found["mean"] for found in runs.values() if found["mean"] is not None]
    if len(known) < 2 or metric not in (*_LOWER_IS_BETTER, *_HIGHER_IS_BETTER):
        return [(found, False) for found in runs.values()]
    best = min(known) if metric in _LOWER_IS_BETTER else max(known)
    return [(found, found["mean"] == best) for found in runs.values()]


def _rows_by_set(result: Mapping[str, Any], bold: str) -> list[list[str]]:
    metric = result["metric"]
    return [
        [
            chosen,
            region,
            *(_bold(shown(metric, found["mean"]), best, bold) for found, best in _with_best(metric, runs)),
        ]
        for chosen, regions in result["by_set"].items()
        for region, runs in regions.items()
    ]


def _interval(metric: str, found: Mapping[str, Any]) -> str:
    if found["low"] is None:
        return shown(metric, found["mean"])
    return f"{shown(metric, found['mean'])} ({shown(metric, found['low'])} to {shown(metric, found['high'])})"


def _difference(metric: str, found: Mapping[str, Any]) -> list[str]:
    difference = found.get("difference")
    if difference is None or difference["mean"] is None:
        return [UNKNOWN if difference else "", UNKNOWN if difference else ""]
    p = UNKNOWN if difference["p"] is None else f"{difference['p']:.3g}"
    return [_interval(metric, difference), p]


def _bold(text: str, best: bool, form: str) -> str:
    return form.format(text) if best else text


def _sets_text(result: Mapping[str, Any]) -> str:
    return f"mean over {len(result['sets'])} modality sets" if len(result["sets"]) > 1 else result["sets"][0]


def _markdown(head: Sequence[str], rows: Sequence[Sequence[str]], n_left: int) -> str:
    rule = ["---"] * n_left + ["---:"] * (len(head) - n_left)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, rule, *rows))
