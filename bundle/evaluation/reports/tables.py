"""Writes summaries as tables for people and for papers."""

import math
from collections.abc import Mapping

from bundle.evaluation.metrics import CORRELATED, DICE, METRICS, UNKNOWN
from bundle.evaluation.reports.markup import latex_number, latex_table, markdown_table
from bundle.evaluation.statistics.correlations import Correlation
from bundle.evaluation.statistics.set_pairs import PairRate
from bundle.evaluation.statistics.summary import MEAN, Summary
from bundle.evaluation.task_names import GIVEN, set_members

_ABSENT_REGIONS = {"skip": "left out, but for volumes", "one": "counted, see the tables below"}
_OTHER_CONVENTION = {"skip": "Counted as 100 or 0", "one": "Left out"}


def markdown_sets_table(summary: Summary, metric: str = "dice") -> str:
    """Table a metric by modality set, with filled and hollow dots as papers do, and the mean over
    sets last.

    Args:
        summary: from ``summarise``.
        metric: name of one of its ``means``.
    """
    titles, regions = summary.names.titles, summary.regions
    rule = [":-:"] * len(titles) + ["---:"] * len(regions)
    rows = [
        [*_dots(summary, name, "●", "○"), *_cells(summary, metric, name)] for name in summary.sets
    ]
    if len(rows) > 1:
        rows.append([MEAN, *[""] * (len(titles) - 1), *_cells(summary, metric, MEAN)])
    table = markdown_table([*titles.values(), *regions], rows, rule)
    return f"{table}\n\n{_notes(summary, metric)}"


def latex_sets_table(summary: Summary, metric: str = "dice") -> str:
    r"""Write the table of ``markdown_sets_table`` for LaTeX; it needs ``\usepackage{booktabs}``."""
    titles, regions = summary.names.titles, summary.regions
    rows = []
    for name in summary.sets:
        dots = _dots(summary, name, r"$\bullet$", r"$\circ$")
        rows.append([*dots, *map(latex_number, _cells(summary, metric, name))])
    groups = [rows]
    if len(rows) > 1:
        label = rf"\multicolumn{{{len(titles)}}}{{l}}{{{MEAN}}}"
        groups.append([[label, *map(latex_number, _cells(summary, metric, MEAN))]])
    columns = "c" * len(titles) + "r" * len(regions)
    notes = f"% {_notes(summary, metric)} Needs the package booktabs."
    return f"{notes}\n{latex_table([*titles.values(), *regions], groups, columns)}"


def markdown_overview(summary: Summary) -> str:
    """Table all metrics of the largest set and of the mean over sets with intervals, and what
    follows from them.
    """
    n_sets = len(summary.sets)
    chosen = [summary.sets[-1], MEAN] if n_sets > 1 else list(summary.sets)
    metrics = [metric for metric in METRICS if metric.name in summary.means]
    head = ["mean over cases (95 % interval)"]
    for name in chosen:
        title = f"mean of {n_sets} sets" if name == MEAN else summary.names.set_title(name)
        head += [f"{region}, {title}" for region in summary.regions]
    rows = []
    for metric in metrics:
        row = [metric.full_title]
        for name in chosen:
            row += [
                metric.shown_interval(found.mean, found.low, found.high)
                for found in summary.means[metric.name][name].values()
            ]
        rows.append(row)
    absent = f"Regions that the truth does not have are {_ABSENT_REGIONS[summary.empty]}."
    notes = [metric.note for metric in metrics if metric.note]
    parts = [markdown_table(head, rows), " ".join([absent, *notes])]
    if n_sets > 1 and summary.counter_intuitive is not None:
        parts.append(_counter_intuitive(summary.counter_intuitive))
    if any(summary.weights_and_performance.values()):
        parts.append(_correlations(summary))
    return "\n\n".join(parts)


def _cells(summary: Summary, metric: str, name: str) -> list[str]:
    means = summary.means[metric][name]
    return [summary.metric(metric).shown(means[region].mean) for region in summary.regions]


def _dots(summary: Summary, name: str, present: str, absent: str) -> list[str]:
    if name == GIVEN:
        return ["?"] * len(summary.names.modalities)
    members = set_members(name)
    return [present if modality in members else absent for modality in summary.names.modalities]


def _notes(summary: Summary, name: str) -> str:
    """Say of what a table is the average."""
    metric = summary.metric(name)
    notes = [
        f"{metric.full_title}.",
        f"{metric.convention(summary.empty)}; cases: {_n_cases(summary, name)}.",
    ]
    if name == DICE.name and summary.dice_other_convention is not None:
        other = summary.dice_other_convention[MEAN]
        values = [f"{region} {metric.shown(found.mean)}" for region, found in other.items()]
        convention = _OTHER_CONVENTION[summary.empty]
        notes.append(f"{convention} instead, the mean is: {', '.join(values)}.")
    if GIVEN in summary.sets:
        notes.append("?: the input modalities are unknown.")
    return " ".join(notes)


def _n_cases(summary: Summary, metric: str) -> str:
    """Count cases by region, and say where a set has fewer."""
    means, parts = summary.means[metric], []
    for region in summary.regions:
        most = means[MEAN][region].n
        fewest = min(means[name][region].n for name in summary.sets)
        fewer = f" (at least {fewest} in every set)" if fewest < most else ""
        parts.append(f"{region} {most}{fewer}")
    return ", ".join(parts)


def _counter_intuitive(rates: Mapping[str, PairRate]) -> str:
    found = []
    for region, rate in rates.items():
        text = DICE.shown_interval(rate.rate, rate.low, rate.high)
        found.append(f"{region} {text} of {rate.n_pairs}")
    title = (
        "Counter-intuitive rate, % of (case, set, larger set) in which the larger set has the lower"
        " Dice"
    )
    return f"{title}: {', '.join(found)}."


def _correlations(summary: Summary) -> str:
    rows = []
    for modality, regions in summary.weights_and_performance.items():
        for region, found in regions.items():
            cells = [_correlation(found.get(metric.name)) for metric in CORRELATED]
            rows.append([summary.names.titles[modality], region, *cells])
    title = (
        "Correlation over cases of a modality's weight with what its expert achieves alone (95 %"
        " interval)."
    )
    header = ["modality", "region", *(str(metric.correlated) for metric in CORRELATED)]
    rule = ["---", "---", *["---:"] * len(CORRELATED)]
    return f"{title}\n\n{markdown_table(header, rows, rule)}"


def _correlation(found: Correlation | None) -> str:
    if found is None or math.isnan(found.r):
        return UNKNOWN
    ends = "" if math.isnan(found.low) else f" ({found.low:.2f} to {found.high:.2f})"
    return f"{found.r:.2f}{ends}, n = {found.n}"
