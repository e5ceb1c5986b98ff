"""Draws what a summary says."""

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from bundle.evaluation.case_slices import CaseSlice
from bundle.evaluation.probability_histogram import Bin
from bundle.evaluation.reports.tables import SHOWN_NAMES, Summary
from bundle.evaluation.score_table import GIVEN, set_members
from bundle.evaluation.statistics.summary import MEAN
from bundle.files.figures import printable
from bundle.tasks.modalities import MODALITIES
from bundle.tasks.regions import REGIONS

# Okabe and Ito's blue, bluish green and vermilion: told apart with every kind of colour blindness.
REGION_COLOURS = dict(zip(REGIONS, ("#0072b2", "#009e73", "#d55e00"), strict=True))
OUTER_FIRST = ("WT", "TC", "ET")
"""Regions in the order in which they are outlined: where two lines coincide, the inner region's is
seen.
"""

_DPI = 120
_INK, _PALE = "#222222", "#cccccc"
_COLUMNS = 3
_TITLE_LENGTH = 27  # of the widest letter, a W, so many fit above a panel
# Marks at 0 and 1 are drawn whole. The layout leaves them out: for it, a line without marks lies in
# the page's corner.
_WHOLE: dict[str, Any] = {"clip_on": False, "in_layout": False}
_LEGEND: dict[str, Any] = {
    "frameon": False,
    "fontsize": 8,
    "columnspacing": 1.2,
    "handlelength": 1.6,
}


def draw_dice_per_set(summary: Summary) -> Figure:
    """Draw the mean Dice and its interval for every set and region, over filled and hollow dots for
    its modalities.
    """
    sets, regions = summary["sets"], summary["regions"]
    figure = Figure(figsize=(max(3.6, 1.6 + 0.55 * len(sets)), 4.8), dpi=_DPI, layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    for index, region in enumerate(regions):
        shift = 0.18 * (index - (len(regions) - 1) / 2)
        rows = [summary["means"]["dice"][name][region] for name in sets]
        _draw_intervals(upper, np.arange(len(sets)) + shift, rows, region)
        mean = summary["means"]["dice"][MEAN][region]["mean"]
        if mean is not None and len(sets) > 1:
            upper.axhline(mean, color=REGION_COLOURS[region], linewidth=0.8, linestyle="dotted")
    keys = upper.get_legend_handles_labels()[0]
    if len(sets) > 1:
        keys.append(
            Line2D([], [], color=_INK, linewidth=0.8, linestyle="dotted", label="mean over sets")
        )
    upper.set(ylim=(0, 1), ylabel="Dice (mean, 95 % interval over cases)")
    upper.grid(axis="y", color=_PALE, linewidth=0.5)
    # Above the axes: inside, intervals may lie anywhere.
    upper.legend(
        handles=keys,
        ncols=len(keys),
        loc="lower left",
        bbox_to_anchor=(0, 1.02),
        borderaxespad=0,
        **_LEGEND,
    )
    _draw_dots(lower, sets)
    return figure


def draw_reliability(bins: Mapping[str, Sequence[Bin]]) -> Figure:
    """Draw how often voxels of a probability belong to the region, and below how many there are.

    Args:
        bins: region to (low, high, voxels, mean probability, frequency), see
            ``ProbabilityHistogram.reliability``.
    """
    figure = Figure(figsize=(3.0 * len(bins) + 0.6, 4.2), dpi=_DPI, layout="constrained")
    grid = figure.subplots(
        2, len(bins), sharex=True, sharey="row", height_ratios=(3, 1), squeeze=False
    )
    for (region, rows), upper, lower in zip(bins.items(), *grid, strict=True):
        filled = [row for row in rows if row[2]]
        upper.plot([0, 1], [0, 1], color=_PALE, linewidth=1)
        points = [row[3] for row in filled], [row[4] for row in filled]
        upper.plot(*points, "o-", color=REGION_COLOURS[region], **_WHOLE)
        upper.set(title=region, xlim=(0, 1), ylim=(0, 1), box_aspect=1)
        total = max(sum(row[2] for row in rows), 1)
        for low, high, n, _, _ in filled:
            lower.bar(
                low,
                n / total,
                width=high - low,
                align="edge",
                color=REGION_COLOURS[region],
                edgecolor="white",
            )
        lower.set(
            xlabel="probability", yscale="log", ylim=(1e-6, 1), box_aspect=1 / 3
        )  # as wide as the upper
    grid[0, 0].set_ylabel("share that is in the region")
    grid[1, 0].set_ylabel("share of voxels", fontsize=8)
    return figure


def draw_weights(summary: Summary) -> Figure:
    """Draw the mean gate weight by set (rows), modality (columns) and region (panels); absent
    modalities stay blank.
    """
    sets, regions = summary["sets"], summary["regions"]
    size = (1.7 + 2.6 * len(regions), max(2.6, 1.2 + 0.3 * len(sets)))
    figure = Figure(figsize=size, dpi=_DPI, layout="constrained")
    panels = figure.subplots(1, len(regions), sharey=True, squeeze=False)[0]
    for region, axes in zip(regions, panels, strict=True):
        weights = np.array(
            [[_weight(summary, modality, name, region) for modality in MODALITIES] for name in sets]
        )
        shown = axes.imshow(weights, cmap="viridis", vmin=0, vmax=1, aspect="auto")
        axes.set(title=region, xticks=range(len(MODALITIES)), xticklabels=SHOWN_NAMES.values())
        axes.set(yticks=range(len(sets)), yticklabels=[_set_label(name) for name in sets])
        axes.tick_params(length=0, labelsize=8)
        for row, column in np.argwhere(np.isfinite(weights)).tolist():
            value = weights[row, column]
            ink = "white" if value < 0.6 else "black"
            axes.text(column, row, f"{value:.2f}", ha="center", va="center", color=ink, size=7)
    figure.colorbar(shown, ax=list(panels), label="mean weight in the brain", shrink=0.8)
    return figure


def draw_worst_cases(slices: Sequence[CaseSlice]) -> Figure:
    """Draw slices with the outlines of truth (solid) and prediction (dashed)."""
    columns = min(_COLUMNS, max(len(slices), 1))
    rows = -(-len(slices) // columns)
    figure = Figure(
        figsize=(3.2 * columns + 0.2, 3.6 * max(rows, 1) + 0.5), dpi=_DPI, layout="constrained"
    )
    panels = figure.subplots(max(rows, 1), columns, squeeze=False).ravel()
    for axes in panels:
        axes.set_axis_off()
    for axes, one in zip(panels, slices, strict=False):
        _draw_slice(axes, one)
    keys: list[Line2D] = [
        Line2D([], [], color=colour, label=name) for name, colour in REGION_COLOURS.items()
    ]
    keys += [
        Line2D([], [], color=_INK, label="truth"),
        Line2D([], [], color=_INK, linestyle="--", label="prediction"),
    ]
    figure.legend(handles=keys, loc="outside lower center", ncols=len(keys), **_LEGEND)
    return figure


def _draw_intervals(
    axes: Axes, x: NDArray[Any], rows: Sequence[Mapping[str, Any]], region: str
) -> None:
    known = [index for index, row in enumerate(rows) if row["mean"] is not None]
    means = np.array([rows[index]["mean"] for index in known], float)
    # Without an interval, as with a single case, the marker stands alone.
    ends = [
        [rows[i][end] if rows[i][end] is not None else rows[i]["mean"] for i in known]
        for end in ("low", "high")
    ]
    reach = np.abs(np.array(ends, float).reshape(2, -1) - means)
    style: dict[str, Any] = {
        "color": REGION_COLOURS[region],
        "markersize": 4,
        "elinewidth": 1,
        "capsize": 1.5,
    }
    axes.errorbar(x[known], means, yerr=reach, fmt="o", label=region, **style, **_WHOLE)


def _draw_dots(axes: Axes, sets: Sequence[str]) -> None:
    for (row, modality), (column, name) in product(enumerate(MODALITIES), enumerate(sets)):
        if name == GIVEN:
            axes.text(column, row, "?", ha="center", va="center", color=_INK)
            continue
        inside = modality in set_members(name)
        face = _INK if inside else "none"
        axes.plot(
            column, row, "o", color=_INK if inside else _PALE, markerfacecolor=face, markersize=6
        )
    ticks: list[str] = ["given"] if list(sets) == [GIVEN] else []
    axes.set(
        yticks=range(len(MODALITIES)),
        yticklabels=SHOWN_NAMES.values(),
        ylim=(len(MODALITIES) - 0.4, -0.6),
    )
    axes.set(xticks=range(len(ticks)), xticklabels=ticks, xlim=(-0.6, len(sets) - 0.4))
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def _draw_slice(axes: Axes, one: CaseSlice) -> None:
    width, height = one.size_mm
    axes.imshow(one.image, cmap="gray", vmin=0, vmax=1, extent=(0, width, 0, height))
    rows, columns = one.image.shape
    x = (np.arange(-1, columns + 1) + 0.5) * width / columns
    y = height - (np.arange(-1, rows + 1) + 0.5) * height / rows
    for masks, style in ((one.truth, "solid"), (one.predicted, "dashed")):
        for region in OUTER_FIRST:
            mask = masks[REGIONS.index(region)]
            if mask.any():
                outline = np.pad(mask, 1).astype(float)
                axes.contour(
                    x,
                    y,
                    outline,
                    [0.5],
                    colors=REGION_COLOURS[region],
                    linewidths=1.2,
                    linestyles=style,
                )
    axes.set(xlim=(0, width), ylim=(0, height))
    for letter, place, side in (("R", 0.02, "left"), ("L", 0.98, "right")):
        axes.text(
            place, 0.5, letter, transform=axes.transAxes, ha=side, va="center", color=_PALE, size=7
        )
    title = f"{printable(one.case, _TITLE_LENGTH)}\nmean Dice {one.score:.2f}"
    axes.set_title(title, fontsize=8, parse_math=False)


def _weight(summary: Summary, modality: str, name: str, region: str) -> float:
    found = summary["means"].get(f"weight_{modality}", {}).get(name, {}).get(region, {}).get("mean")
    return np.nan if found is None else float(found)


def _set_label(name: str) -> str:
    return "+".join(SHOWN_NAMES[modality] for modality in set_members(name)) or name
