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
from bundle.evaluation.metrics import DICE, weight_name
from bundle.evaluation.probability_histogram import Bin
from bundle.evaluation.statistics.intervals import Interval
from bundle.evaluation.statistics.summary import MEAN, Summary
from bundle.evaluation.task_names import GIVEN, set_members
from bundle.files.figures import printable
from bundle.tasks.task import Task

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


def draw_dice_per_set(summary: Summary, task: Task) -> Figure:
    """Draw the mean Dice and its interval for every set and region, over filled and hollow dots for
    its modalities.
    """
    sets, means = summary.sets, summary.means[DICE.name]
    figure = Figure(figsize=(max(3.6, 1.6 + 0.55 * len(sets)), 4.8), dpi=_DPI, layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    colours = _colours(task)
    for index, region in enumerate(summary.regions):
        shift = 0.18 * (index - (len(summary.regions) - 1) / 2)
        rows = [means[name][region] for name in sets]
        _draw_intervals(upper, np.arange(len(sets)) + shift, rows, region, colours[region])
        mean = means[MEAN][region].mean
        if not np.isnan(mean) and len(sets) > 1:
            upper.axhline(mean, color=colours[region], linewidth=0.8, linestyle="dotted")
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
    _draw_dots(lower, summary)
    return figure


def draw_reliability(bins: Mapping[str, Sequence[Bin]], task: Task) -> Figure:
    """Draw how often voxels of a probability belong to the region, and below how many there are.

    Args:
        bins: region to (low, high, voxels, mean probability, frequency), see
            ``ProbabilityHistogram.reliability``.
        task: whose regions these are.
    """
    colours = _colours(task)
    figure = Figure(figsize=(3.0 * len(bins) + 0.6, 4.2), dpi=_DPI, layout="constrained")
    grid = figure.subplots(
        2, len(bins), sharex=True, sharey="row", height_ratios=(3, 1), squeeze=False
    )
    for (region, rows), upper, lower in zip(bins.items(), *grid, strict=True):
        filled = [row for row in rows if row[2]]
        upper.plot([0, 1], [0, 1], color=_PALE, linewidth=1)
        predicted = [row[3] for row in filled]
        observed = [row[4] for row in filled]
        upper.plot(predicted, observed, "o-", color=colours[region], **_WHOLE)
        upper.set(title=region, xlim=(0, 1), ylim=(0, 1), box_aspect=1)
        total = max(sum(row[2] for row in rows), 1)
        for low, high, n, _, _ in filled:
            lower.bar(
                low,
                n / total,
                width=high - low,
                align="edge",
                color=colours[region],
                edgecolor="white",
            )
        # As wide as the upper.
        lower.set(xlabel="probability", yscale="log", ylim=(1e-6, 1), box_aspect=1 / 3)
    grid[0, 0].set_ylabel("share that is in the region")
    grid[1, 0].set_ylabel("share of voxels", fontsize=8)
    return figure


def draw_weights(summary: Summary) -> Figure:
    """Draw the mean gate weight by set (rows), modality (columns) and region (panels).

    Absent modalities stay blank.
    """
    sets, regions, names = summary.sets, summary.regions, summary.names
    size = (1.7 + 2.6 * len(regions), max(2.6, 1.2 + 0.3 * len(sets)))
    figure = Figure(figsize=size, dpi=_DPI, layout="constrained")
    panels = figure.subplots(1, len(regions), sharey=True, squeeze=False)[0]
    for region, axes in zip(regions, panels, strict=True):
        weights = _weights(summary, region)
        shown = axes.imshow(weights, cmap="viridis", vmin=0, vmax=1, aspect="auto")
        axes.set(title=region, xticks=range(len(names.titles)), xticklabels=names.titles.values())
        axes.set(yticks=range(len(sets)), yticklabels=[names.set_title(name) for name in sets])
        axes.tick_params(length=0, labelsize=8)
        for row, column in np.argwhere(np.isfinite(weights)).tolist():
            value = weights[row, column]
            ink = "white" if value < 0.6 else "black"
            axes.text(column, row, f"{value:.2f}", ha="center", va="center", color=ink, size=7)
    figure.colorbar(shown, ax=list(panels), label="mean weight in the brain", shrink=0.8)
    return figure


def draw_worst_cases(slices: Sequence[CaseSlice], task: Task) -> Figure:
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
        _draw_slice(axes, one, task)
    keys: list[Line2D] = [
        Line2D([], [], color=colour, label=name) for name, colour in _colours(task).items()
    ]
    keys += [
        Line2D([], [], color=_INK, label="truth"),
        Line2D([], [], color=_INK, linestyle="--", label="prediction"),
    ]
    figure.legend(handles=keys, loc="outside lower center", ncols=len(keys), **_LEGEND)
    return figure


def _colours(task: Task) -> dict[str, str]:
    return {region.name: region.colour for region in task.regions}


def _draw_intervals(
    axes: Axes, x: NDArray[Any], rows: Sequence[Interval], region: str, colour: str
) -> None:
    found = np.array([[row.mean, row.low, row.high] for row in rows])
    known = np.isfinite(found[:, 0])
    means, ends = found[known, 0], found[known, 1:].T
    # Without an interval, as with a single case, the marker stands alone.
    reach = np.abs(np.where(np.isnan(ends), means, ends) - means)
    style: dict[str, Any] = {
        "color": colour,
        "markersize": 4,
        "elinewidth": 1,
        "capsize": 1.5,
    }
    axes.errorbar(x[known], means, yerr=reach, fmt="o", label=region, **style, **_WHOLE)


def _draw_dots(axes: Axes, summary: Summary) -> None:
    sets, titles = summary.sets, summary.names.titles
    for (row, modality), (column, name) in product(enumerate(titles), enumerate(sets)):
        if name == GIVEN:
            axes.text(column, row, "?", ha="center", va="center", color=_INK)
            continue
        inside = modality in set_members(name)
        face = _INK if inside else "none"
        axes.plot(
            column, row, "o", color=_INK if inside else _PALE, markerfacecolor=face, markersize=6
        )
    ticks: list[str] = ["given"] if list(sets) == [GIVEN] else []
    axes.set(yticks=range(len(titles)), yticklabels=titles.values(), ylim=(len(titles) - 0.4, -0.6))
    axes.set(xticks=range(len(ticks)), xticklabels=ticks, xlim=(-0.6, len(sets) - 0.4))
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def _draw_slice(axes: Axes, one: CaseSlice, task: Task) -> None:
    colours = _colours(task)
    width, height = one.size_mm
    axes.imshow(one.image, cmap="gray", vmin=0, vmax=1, extent=(0, width, 0, height))
    rows, columns = one.image.shape
    x = (np.arange(-1, columns + 1) + 0.5) * width / columns
    y = height - (np.arange(-1, rows + 1) + 0.5) * height / rows
    for masks, style in ((one.truth, "solid"), (one.predicted, "dashed")):
        for region in task.outer_first:
            mask = masks[task.region_names.index(region)]
            if mask.any():
                outline = np.pad(mask, 1).astype(float)
                axes.contour(
                    x,
                    y,
                    outline,
                    [0.5],
                    colors=colours[region],
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


def _weights(summary: Summary, region: str) -> NDArray[np.float64]:
    """Return the mean gate weights (S, M) for a region; NaN where a modality is absent."""
    found = np.full((len(summary.sets), len(summary.names.titles)), np.nan)
    for column, modality in enumerate(summary.names.modalities):
        means = summary.means.get(weight_name(modality), {})
        for row, name in enumerate(summary.sets):
            if name in means:
                found[row, column] = means[name][region].mean
    return found
