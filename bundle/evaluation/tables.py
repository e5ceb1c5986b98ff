"""Writes summaries as tables for people and for papers."""

from collections.abc import Mapping, Sequence
from typing import Any

from bundle.evaluation.score_table import GIVEN, set_members
from bundle.evaluation.summary import MEAN
from bundle.modalities import MODALITIES

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
_PERCENT = ("dice", "surface_dice_1mm", "sensitivity", "precision", "ece", "sce", "confidence")
_LATEX = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
_LATEX |= {character: f"\\{character}" for character in "&%$#_{}"}

Summary = Mapping[str, Any]


def markdown_sets_table(summary: Summary, metric: str = "dice") -> str:
    """Table a metric by modality set, with filled and hollow dots as papers do, and the mean over sets last.

    Args:
        summary: from ``summarise``.
        metric: one of its ``means``.
    """
    regions = summary["regions"]
    head = [*SHOWN_NAMES.values(), *(f"{region}" for region in regions)]
    lines = [_row(head), _row([*[":-:"] * len(SHOWN_NAMES), *["---:"] * len(regions)])]
    lines += [_row([*_dots(name, "●", "○"), *_cells(summary, metric, name)]) for name in summary["sets"]]
    if len(summary["sets"]) > 1:
        lines.append(_row(["mean", "", "", "", *_cells(summary, metric, MEAN)]))
    return "\n".join([*lines, "", *_notes(summary, metric)])


def latex_sets_table(summary: Summary, metric: str = "dice") -> str:
    r"""Write the table of ``markdown_sets_table`` for LaTeX; it needs ``\usepackage{booktabs}``."""
    regions = summary["regions"]
    head = " & ".join([*SHOWN_NAMES.values(), *map(latex_text, regions)])
    rows = [
        " & ".join([*_dots(name, r"$\bullet$", r"$\circ$"), *_cells(summary, metric, name)]) for name in summary["sets"]
    ]
    lines = [rf"\begin{{tabular}}{{{'c' * len(SHOWN_NAMES)}{'r' * len(regions)}}}", r"\toprule", head + r" \\"]
    lines += [r"\midrule", *(row + r" \\" for row in rows)]
    if len(summary["sets"]) > 1:
        mean = " & ".join([rf"\multicolumn{{{len(SHOWN_NAMES)}}}{{l}}{{mean}}", *_cells(summary, metric, MEAN)])
        lines += [r"\midrule", mean + r" \\"]
    comment = "\n".join(f"% {note}" for note in _notes(summary, metric) if note)
    return "\n".join([f"% {metric_name(metric)}", comment, *lines, r"\bottomrule", r"\end{tabular}"])


def markdown_overview(summary: Summary) -> str:
    """Table all metrics of the largest set and of the mean over sets with intervals, and what follows from them."""
    sets, regions = summary["sets"], summary["regions"]
    chosen = list(dict.fromkeys([sets[-1], MEAN] if len(sets) > 1 else sets))
    head = [f"{region}, {_set_text(name, len(sets))}" for name in chosen for region in regions]
    metrics = [metric for metric in summary["means"] if metric in _NAMES]
    rows = [
        [_NAMES[metric], *(_with_interval(metric, summary["means"][metric][n][r]) for n in chosen for r in regions)]
        for metric in metrics
    ]
    parts = [_table(["mean over cases (95 % interval)", *head], rows)]
    if summary.get("counter_intuitive", {}) and len(sets) > 1:
        parts.append(_counter_intuitive(summary))
    if any(summary["weights_and_performance"].values()):
        parts.append(_correlations(summary))
    return "\n\n".join(parts)


def metric_name(metric: str) -> str:
    """Name a metric of ``scores.csv`` with its unit."""
    if metric.startswith("weight_"):
        return f"weight of {SHOWN_NAMES[metric.removeprefix('weight_')]}"
    return _NAMES.get(metric, metric)


def shown(metric: str, value: float | None) -> str:
    """Write a value in the unit of ``metric_name``."""
    if value is None:
        return UNKNOWN
    if metric in _PERCENT:
        return f"{100 * value:.1f}"
    return f"{value:.1f}" if metric.endswith(("_mm", "_ml")) else f"{value:.3f}"


def latex_text(text: str) -> str:
    """Escape what LaTeX would take for a command."""
    return "".join(_LATEX.get(character, character) for character in text)


def markdown_text(text: str) -> str:
    """Escape what would end the cell of a table or start another element."""
    return "".join(f"\\{character}" if character in "\\|*_`[]<>" else character for character in text)


def _cells(summary: Summary, metric: str, name: str) -> list[str]:
    return [shown(metric, summary["means"][metric][name][region]["mean"]) for region in summary["regions"]]


def _dots(name: str, present: str, absent: str) -> list[str]:
    if name == GIVEN:
        return ["?"] * len(MODALITIES)
    return [present if modality in set_members(name) else absent for modality in MODALITIES]


def _notes(summary: Summary, metric: str) -> list[str]:
    """Say how a table was averaged."""
    regions = summary["regions"]
    last = summary["means"][metric][summary["sets"][-1]]
    n = ", ".join(f"{region} {last[region]['n']}" for region in regions)
    rule = {
        "skip": "Regions that the truth does not have are left out",
        "one": "A region that the truth does not have counts 1 if nothing was predicted there, else 0",
    }
    if metric != "dice":
        return [f"{metric_name(metric)}. Cases: {n}."]
    other = summary["dice_other_convention"][MEAN]
    values = ", ".join(f"{region} {shown(metric, other[region]['mean'])}" for region in regions)
    otherwise = {"skip": "Counted as 1 or 0", "one": "Left out"}[summary["empty"]]
    return [f"{metric_name(metric)}. {rule[summary['empty']]}; cases: {n}. {otherwise} instead, the mean is: {values}."]


def _counter_intuitive(summary: Summary) -> str:
    rates = summary["counter_intuitive"]
    rows = [
        [region, _percent_with_interval(found["rate"], found["low"], found["high"]), str(found["n_pairs"])]
        for region, found in rates.items()
    ]
    title = "Counter-intuitive rate: how often a larger set has the lower Dice."
    return f"{title}\n\n{_table(['region', '% of pairs', 'pairs'], rows)}"


def _correlations(summary: Summary) -> str:
    names = {"dice": "Dice", "confidence": "confidence"}
    rows = [
        [SHOWN_NAMES[modality], region, *(_correlation(found[metric]) if metric in found else "" for metric in names)]
        for modality, regions in summary["weights_and_performance"].items()
        for region, found in regions.items()
    ]
    title = "Correlation over cases of a modality's weight with what its expert achieves alone (95 % interval)."
    return f"{title}\n\n{_table(['modality', 'region', *names.values()], rows)}"


def _correlation(found: Mapping[str, Any]) -> str:
    if found["r"] is None:
        return UNKNOWN
    ends = f" ({found['low']:.2f} to {found['high']:.2f})" if found["low"] is not None else ""
    return f"{found['r']:.2f}{ends}"


def _with_interval(metric: str, found: Mapping[str, Any]) -> str:
    if found["low"] is None:
        return shown(metric, found["mean"])
    return f"{shown(metric, found['mean'])} ({shown(metric, found['low'])} to {shown(metric, found['high'])})"


def _percent_with_interval(value: float | None, low: float | None, high: float | None) -> str:
    return _with_interval("dice", {"mean": value, "low": low, "high": high})


def _set_text(name: str, n_sets: int) -> str:
    if name == MEAN:
        return f"mean of {n_sets} sets"
    return name if name == GIVEN else "+".join(SHOWN_NAMES[modality] for modality in set_members(name))


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "\n".join([_row(head), _row(["---", *["---:"] * (len(head) - 1)]), *map(_row, rows)])


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
