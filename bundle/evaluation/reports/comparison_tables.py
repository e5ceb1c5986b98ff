"""Writes comparisons of evaluated runs as tables for people and for papers."""

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import chain

from bundle.evaluation.metrics import UNKNOWN, Better
from bundle.evaluation.reports.markup import (
    latex_number,
    latex_table,
    latex_text,
    markdown_table,
    markdown_text,
)
from bundle.evaluation.statistics.comparison import Comparison, RunMean
from bundle.evaluation.statistics.intervals import Difference

Text = Callable[[str], str]
Rows = list[list[str]]

_SET_TITLE = (
    "Every set by itself: mean (difference to {}; p, not corrected for the number of tests)."
)


def markdown_comparison(compared: Comparison) -> str:
    """Table a comparison: per region the runs with intervals, differences and p, the best in bold.

    Then every set.
    """
    names = [markdown_text(name) for name in compared.runs]
    head = ["region", "run", "mean (95 % interval)", f"difference to {names[0]}", "p"]
    rows = list(chain(*_mean_groups(compared, names, "**{}**".format, str)))
    parts = [
        _notes(compared, markdown_text),
        markdown_table(head, rows, ["---", "---", *["---:"] * 3]),
    ]
    if len(compared.sets) > 1:
        rows = list(chain(*_set_groups(compared, "**{}**".format, str)))
        rule = ["---", "---", *["---:"] * len(names)]
        parts.append(_SET_TITLE.format(names[0]))
        parts.append(markdown_table(["set", "region", *names], rows, rule))
    return "\n\n".join(parts)


def latex_comparison(compared: Comparison) -> str:
    r"""Write the tables of ``markdown_comparison`` for LaTeX; they need
    ``\usepackage{booktabs}``.
    """
    names = [latex_text(name) for name in compared.runs]
    head = ["region", "run", r"mean (95\,\% interval)", f"difference to {names[0]}", "$p$"]
    groups = _mean_groups(compared, names, r"\textbf{{{}}}".format, latex_number)
    parts = [f"% {_notes(compared, latex_text)}\n{latex_table(head, groups, 'llrrr')}"]
    if len(compared.sets) > 1:
        groups = _set_groups(compared, r"\textbf{{{}}}".format, latex_number)
        table = latex_table(["set", "region", *names], groups, "ll" + "r" * len(names))
        parts.append(f"% {_SET_TITLE.format(names[0])}\n{table}")
    return "\n\n".join(parts)


def _notes(compared: Comparison, escaped: Text) -> str:
    """Say what was compared."""
    sets = f"set {compared.sets[0]}"
    if len(compared.sets) > 1:
        sets = f"mean over {len(compared.sets)} modality sets"
    counts = []
    for region, runs in compared.mean.items():
        counts.append(f"{region} {next(iter(runs.values())).mean.n}")
    notes = f"{escaped(compared.metric.full_title)}, {sets}. "
    notes += f"{compared.n_cases} cases that all runs have, with values: {', '.join(counts)}. "
    notes += f"{compared.metric.convention(compared.empty)}."
    left_out = [f"{escaped(name)} {n}" for name, n in compared.n_left_out.items() if n]
    if left_out:
        notes += f" Cases that not all runs have, left out: {', '.join(left_out)}."
    return notes


def _mean_groups(
    compared: Comparison, names: Sequence[str], bold: Text, number: Text
) -> list[Rows]:
    """Make the rows of the first table, a group per region; names are escaped already."""
    metric = compared.metric
    groups = []
    for region, runs in compared.mean.items():
        best = _best(compared, runs)
        rows = []
        for name, found in zip(names, runs.values(), strict=True):
            mean = found.mean
            text = number(metric.shown_interval(mean.mean, mean.low, mean.high))
            is_best = metric.shown(mean.mean) == best
            difference, p = "", ""
            if found.difference is not None:
                one = found.difference
                difference = metric.shown_interval(one.mean, one.low, one.high, "+")
                p = _p(one)
            rows.append(
                [region, name, bold(text) if is_best else text, number(difference), number(p)]
            )
        groups.append(rows)
    return groups


def _set_groups(compared: Comparison, bold: Text, number: Text) -> list[Rows]:
    """Make the rows of the second table, a group per set."""
    groups = []
    for chosen, regions in compared.by_set.items():
        rows = []
        for region, runs in regions.items():
            best = _best(compared, runs)
            cells = [_set_cell(compared, found, best, bold, number) for found in runs.values()]
            rows.append([chosen, region, *cells])
        groups.append(rows)
    return groups


def _set_cell(
    compared: Comparison, found: RunMean, best: str | None, bold: Text, number: Text
) -> str:
    shown = compared.metric.shown(found.mean.mean)
    text = bold(number(shown)) if shown == best else number(shown)
    difference = found.difference
    if difference is None or math.isnan(difference.mean):
        return text
    return (
        f"{text} ({number(compared.metric.shown(difference.mean, '+'))}; {number(_p(difference))})"
    )


def _best(compared: Comparison, runs: Mapping[str, RunMean]) -> str | None:
    """Return the best mean of a row as it is shown, where one can say which is.

    Ties are all bold.
    """
    metric = compared.metric
    known = [found.mean.mean for found in runs.values() if not math.isnan(found.mean.mean)]
    if len(known) < 2 or metric.better is Better.NEITHER:
        return None
    return metric.shown(max(known, key=lambda mean: metric.better * mean))


def _p(difference: Difference) -> str:
    return UNKNOWN if math.isnan(difference.p) else f"{difference.p:.3g}"
