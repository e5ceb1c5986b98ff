"""Writes summaries as tables for people and for papers."""

from collections.abc import Mapping, Sequence
from typing import Any

from bundle.evaluation.score_table import GIVEN, set_members, skips_empty
from bundle.evaluation.statistics.summary import MEAN
from bundle.tasks.modalities import MODALITIES

SHOWN_NAMES = {"t1n": "T1", "t1c": "T1ce", "t2w": "T2", "t2f": "FLAIR"}
UNKNOWN = "–"

_NAMES = {
    "dice": "Dice, %",
    "hd95_mm": "HD95, mm",
    "surface_dice_1mm": "surface Dice at 1 mm, %",
    "sensitivity": "sensitivity, %",
    "precision": "precision, %",
    "volume_error_ml": "volume error, ml",
    "truth_ml": "true volume, ml",
    "predicted_ml": "predicted volume, ml",
    "ece": "expected calibration error, %",
    "sce": "static calibration error, %",
    "entropy_auroc": "AUROC of the entropy for wrong voxels",
    "confidence": "mean probability on the region, %",
}
_WEIGHT_NAMES = {
    f"weight_{modality}": f"weight of {name}" for modality, name in SHOWN_NAMES.items()
}
_PERCENT = ("dice", "surface_dice_1mm", "sensitivity", "precision", "ece", "sce", "confidence")
_DIGITS = {"ece": 2, "sce": 2}
_COUNTED_AS = {
    "dice": "100 if nothing was predicted there, else 0",
    "surface_dice_1mm": "100 if nothing was predicted there, else 0",
    "hd95_mm": "0 if nothing was predicted there, else the diagonal of the grid",
}
_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": "$<$",
    ">": "$>$",
}
_LATEX |= {"|": r"\textbar{}", **{character: f"\\{character}" for character in "&%$#_{}"}}
_LATEX_NUMBER = str.maketrans({"-": "$-$", "–": "--"})
_MARKDOWN = frozenset("\\|*_`[]<>~&$")

Summary = Mapping[str, Any]


def markdown_sets_table(summary: Summary, metric: str = "dice") -> str:
    """Table a metric by modality set, with filled and hollow dots as papers do, and the mean over
    sets last.

    Args:
        summary: from ``summarise``.
        metric: one of its ``means``.
    """
    regions = summary["regions"]
    rule = [":-:"] * len(SHOWN_NAMES) + ["---:"] * len(regions)
    rows = [[*_dots(name, "●", "○"), *_cells(summary, metric, name)] for name in summary["sets"]]
    if len(rows) > 1:
        rows.append([MEAN, *[""] * (len(SHOWN_NAMES) - 1), *_cells(summary, metric, MEAN)])
    table = markdown_table([*SHOWN_NAMES.values(), *regions], rows, rule)
    return f"{table}\n\n{_notes(summary, metric)}"


def latex_sets_table(summary: Summary, metric: str = "dice") -> str:
    r"""Write the table of ``markdown_sets_table`` for LaTeX; it needs ``\usepackage{booktabs}``."""
    regions = summary["regions"]
    groups = [
        [
            [
                *_dots(name, r"$\bullet$", r"$\circ$"),
                *map(latex_number, _cells(summary, metric, name)),
            ]
            for name in summary["sets"]
        ]
    ]
    if len(summary["sets"]) > 1:
        label = rf"\multicolumn{{{len(SHOWN_NAMES)}}}{{l}}{{{MEAN}}}"
        groups.append([[label, *map(latex_number, _cells(summary, metric, MEAN))]])
    columns = "c" * len(SHOWN_NAMES) + "r" * len(regions)
    notes = f"% {_notes(summary, metric)} Needs the package booktabs."
    return f"{notes}\n{latex_table([*SHOWN_NAMES.values(), *regions], groups, columns)}"


def markdown_overview(summary: Summary) -> str:
    """Table all metrics of the largest set and of the mean over sets with intervals, and what
    follows from them.
    """
    sets, regions = summary["sets"], summary["regions"]
    chosen = [sets[-1], MEAN] if len(sets) > 1 else sets
    head = [f"{region}, {_set_text(name, len(sets))}" for name in chosen for region in regions]
    rows = [
        [
            name,
            *(
                shown_interval(metric, summary["means"][metric][s][r])
                for s in chosen
                for r in regions
            ),
        ]
        for metric, name in _NAMES.items()
        if metric in summary["means"]
    ]
    rule = {"skip": "left out, but for volumes", "one": "counted, see the tables below"}[
        summary["empty"]
    ]
    note = (
        f"Regions that the truth does not have are {rule}. Precision is that of cases with a"
        " prediction."
    )
    parts = [markdown_table(["mean over cases (95 % interval)", *head], rows), note]
    if len(sets) > 1 and "counter_intuitive" in summary:
        parts.append(_counter_intuitive(summary["counter_intuitive"]))
    if any(summary["weights_and_performance"].values()):
        parts.append(_correlations(summary["weights_and_performance"]))
    return "\n\n".join(parts)


def metric_name(metric: str) -> str:
    """Name a metric of ``scores.csv`` with its unit."""
    return {**_NAMES, **_WEIGHT_NAMES}.get(metric, metric)


def shown(metric: str, value: float | None, sign: str = "") -> str:
    """Write a value in the unit of ``metric_name``; with ``sign`` "+" also that of positive ones,
    as errors have it.
    """
    sign = "+" if metric == "volume_error_ml" else sign
    if value is None:
        return UNKNOWN
    digits = _DIGITS.get(metric, 1 if metric in _PERCENT or metric.endswith(("_mm", "_ml")) else 3)
    rounded = (
        round(100 * value if metric in _PERCENT else value, digits) + 0.0
    )  # or else -0.04 would be -0.0
    return f"{rounded:{sign if rounded else ''}.{digits}f}"


def shown_interval(metric: str, found: Mapping[str, Any], sign: str = "") -> str:
    """Write a mean with its interval, if it has one: ``71.2 (65.0–77.1)``."""
    mean, low, high = (shown(metric, found[key], sign) for key in ("mean", "low", "high"))
    if found["low"] is None:
        return mean
    between = (
        " to " if low[:1] in "+-" or high[:1] in "+-" else "–"
    )  # a dash beside a sign cannot be read
    return f"{mean} ({low}{between}{high})"


def convention(metric: str, empty: str) -> str:
    """Say what a region counts that the truth does not have."""
    if not skips_empty(metric):
        return "Cases whose truth does not have the region count too"
    if empty == "skip":
        missed = (
            ". A region that was missed altogether counts the diagonal of the grid"
            if metric == "hd95_mm"
            else ""
        )
        return f"Regions that the truth does not have are left out{missed}"
    return f"A region that the truth does not have counts {_COUNTED_AS.get(metric, 'too')}"


def latex_text(text: str) -> str:
    """Escape what LaTeX would take for a command, and keep it on one line."""
    return "".join(_LATEX.get(character, character) for character in _one_line(text))


def latex_number(text: str) -> str:
    """Write the minus signs and dashes of a cell as LaTeX does."""
    return text.translate(_LATEX_NUMBER)


def markdown_text(text: str) -> str:
    """Escape what would end the cell of a table or start another element, and keep it on
    one line.
    """
    return "".join(
        f"\\{character}" if character in _MARKDOWN else character for character in _one_line(text)
    )


def markdown_table(
    head: Sequence[str], rows: Sequence[Sequence[str]], rule: Sequence[str] | None = None
) -> str:
    """Put cells together; without a rule the first column is left-aligned and the others are
    right-aligned.
    """
    rule = rule or ["---"] + ["---:"] * (len(head) - 1)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, rule, *rows))


def latex_table(
    head: Sequence[str], groups: Sequence[Sequence[Sequence[str]]], columns: str
) -> str:
    """Put cells together; groups of rows are parted by lines."""
    bodies = ["\n".join(rf"{' & '.join(cells)} \\" for cells in rows) for rows in ([head], *groups)]
    body = "\n\\midrule\n".join(bodies)
    return f"\\begin{{tabular}}{{{columns}}}\n\\toprule\n{body}\n\\bottomrule\n\\end{{tabular}}"


def _one_line(text: str) -> str:
    return "".join(character if character.isprintable() else " " for character in text)


def _cells(summary: Summary, metric: str, name: str) -> list[str]:
    return [
        shown(metric, summary["means"][metric][name][region]["mean"])
        for region in summary["regions"]
    ]


def _dots(name: str, present: str, absent: str) -> list[str]:
    if name == GIVEN:
        return ["?"] * len(MODALITIES)
    return [present if modality in set_members(name) else absent for modality in MODALITIES]


def _notes(summary: Summary, metric: str) -> str:
    """Say of what a table is the average."""
    notes = [
        f"{metric_name(metric)}.",
        f"{convention(metric, summary['empty'])}; cases: {_n_cases(summary, metric)}.",
    ]
    if metric == "dice":
        other = summary["dice_other_convention"][MEAN]
        values = ", ".join(
            f"{region} {shown(metric, found['mean'])}" for region, found in other.items()
        )
        notes.append(
            {"skip": "Counted as 100 or 0", "one": "Left out"}[summary["empty"]]
            + f" instead, the mean is: {values}."
        )
    if GIVEN in summary["sets"]:
        notes.append("?: nobody knows from which modalities.")
    return " ".join(notes)


def _n_cases(summary: Summary, metric: str) -> str:
    """Count cases by region, and say where a set has fewer."""
    means, parts = summary["means"][metric], []
    for region in summary["regions"]:
        most, fewest = (
            means[MEAN][region]["n"],
            min(means[name][region]["n"] for name in summary["sets"]),
        )
        parts.append(
            f"{region} {most}" + (f" (at least {fewest} in every set)" if fewest < most else "")
        )
    return ", ".join(parts)


def _counter_intuitive(rates: Mapping[str, Any]) -> str:
    found = (
        f"{region} {shown_interval('dice', {**rate, 'mean': rate['rate']})} of {rate['n_pairs']}"
        for region, rate in rates.items()
    )
    title = (
        "Counter-intuitive rate, % of (case, set, larger set) in which the larger set has the lower"
        " Dice"
    )
    return f"{title}: {', '.join(found)}."


def _correlations(correlations: Mapping[str, Any]) -> str:
    names = {"dice": "Dice", "confidence": "confidence"}
    rows = [
        [SHOWN_NAMES[modality], region, *(_correlation(found.get(metric)) for metric in names)]
        for modality, regions in correlations.items()
        for region, found in regions.items()
    ]
    title = (
        "Correlation over cases of a modality's weight with what its expert achieves alone (95 %"
        " interval)."
    )
    header = ["modality", "region", *names.values()]
    return f"{title}\n\n{markdown_table(header, rows, ['---', '---', '---:', '---:'])}"


def _correlation(found: Mapping[str, Any] | None) -> str:
    if found is None or found["r"] is None:
        return UNKNOWN
    ends = f" ({found['low']:.2f} to {found['high']:.2f})" if found["low"] is not None else ""
    return f"{found['r']:.2f}{ends}, n = {found['n']}"


def _set_text(name: str, n_sets: int) -> str:
    if name == MEAN:
        return f"mean of {n_sets} sets"
    return "+".join(SHOWN_NAMES[modality] for modality in set_members(name)) or name
