"""Draws one picture per case, so that a result can be judged without opening a viewer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from bundle.files.figures import printable, save_figure
from bundle.tasks.default import DEFAULT_TASK
from bundle.tasks.task import Task
from bundle.volumes.plane_views import Mask, PlaneView, Volume, plane_views

_LETTERS = {"axial": "RLAP", "coronal": "RLSI", "sagittal": "APSI"}  # left, right, top, bottom
_PAPER, _PANEL, _ABSENT, _TEXT, _DIM = "#101114", "#000000", "#1b1d22", "#e8e8e8", "#9a9da5"
_TITLE_LENGTH, _DPI = 55, 220
_WIDTH, _ROWS_AT_MOST, _ROW_AT_LEAST = 9.6, 12.0, 0.5  # lengths of the page are in inches
_LEFT, _RIGHT, _TOP, _BOTTOM, _GAP, _GROUP_GAP, _MARGIN = 0.26, 0.10, 0.52, 0.64, 0.025, 0.14, 0.10


@dataclass(frozen=True)
class _Page:
    """Where panels lie; inches from the upper left corner of the figure."""

    columns: dict[str, float]
    rows: dict[str, tuple[float, float]]
    column_width: float
    inches_per_mm: float
    height: float

    def place(
        self, left: float, top: float, width: float = 0, height: float = 0
    ) -> tuple[float, float, float, float]:
        """Turn inches into the shares that matplotlib wants, which count from the lower left
        corner.
        """
        return left / _WIDTH, 1 - (top + height) / self.height, width / _WIDTH, height / self.height


def draw_preview(
    path: Path,
    images: Mapping[str, Volume],
    maps: Mapping[str, Volume],
    affine: NDArray[Any],
    *,
    title: str,
    task: Task = DEFAULT_TASK,
) -> None:
    """Write the picture of a case as PNG, 2112 pixels wide, whole or not at all.

    Args:
        path: of the PNG; a file of that name is replaced.
        images: acquired modality to (H, W, D) raw intensities.
        maps: (H, W, D) each: ``seg`` with the task's values, ``entropy`` in bits,
            ``weight-MODALITY`` or ``contribution-MODALITY`` in [0, 1]; ``truth``, if there is one,
            is drawn dashed.
        affine: (4, 4), voxel to world, RAS+ mm; any orientation.
        title: usually the case; the acquired modalities are added.
        task: names and colours; what is outside of the images.

    Raises:
        OutputError: the file cannot be written.
    """
    save_figure(preview_figure(images, maps, affine, title=title, task=task), path)


def preview_figure(
    images: Mapping[str, Volume],
    maps: Mapping[str, Volume],
    affine: NDArray[Any],
    *,
    title: str,
    task: Task = DEFAULT_TASK,
) -> Figure:
    """Draw what ``draw_preview`` writes.

    Every panel's label is ``PLANE COLUMN``, for example ``axial t1c``.
    """
    views = plane_views(images, maps, affine, task.is_inside)
    acquired = ", ".join(modality for modality in task.modality_names if modality in images)
    groups = [list(task.modality_names), ["entropy"], share_maps(maps, task)]
    return views_figure(views, groups, f"{printable(title, _TITLE_LENGTH)}   {acquired}", task)


def share_maps(maps: Mapping[str, Volume], task: Task) -> list[str]:
    """Name the maps of what modalities contributed, in the order of the task; where there are none,
    those of their weights.
    """
    for first in ("contribution", "weight"):
        names = [f"{first}-{modality}" for modality in task.modality_names]
        found = [name for name in names if name in maps]
        if found:
            return found
    return []


def views_figure(
    views: Mapping[str, PlaneView], groups: Sequence[Sequence[str]], title: str, task: Task
) -> Figure:
    """Draw some of what views show, one plane in each row.

    Args:
        views: of ``plane_views``.
        groups: names of columns, with a gap between groups; a modality that the views lack is
            drawn as not acquired.
        title: as it is written.
        task: names and colours.
    """
    page = _page(views, groups)
    figure = Figure(figsize=(_WIDTH, page.height), dpi=_DPI, facecolor=_PAPER)
    for plane, view in views.items():
        for column in page.columns:
            axes = _panel(figure, page, plane, column)
            _draw_panel(axes, view, column, task)
            _write_letters(axes, view, column, _LETTERS[plane])
    _write_headings(figure, page, title)
    _draw_keys(figure, page, task, with_truth="truth" in views["axial"].pictures)
    return figure


def _page(views: Mapping[str, PlaneView], columns_of_groups: Sequence[Sequence[str]]) -> _Page:
    """Lay out panels of one scale: the largest at which they fit the width."""
    groups = [group for group in columns_of_groups if group]
    n_columns = sum(map(len, groups))
    spare = _LEFT + _RIGHT + _GROUP_GAP * (len(groups) - 1) + _GAP * (n_columns - len(groups))
    width = (_WIDTH - spare) / n_columns
    widths_mm, heights_mm = zip(*(view.size_mm for view in views.values()), strict=True)
    scale = min((width - 2 * _MARGIN) / max(widths_mm), _ROWS_AT_MOST / sum(heights_mm))
    columns, left, rows, top = {}, _LEFT, {}, _TOP
    for group in groups:
        for name in group:
            columns[name], left = left, left + width + _GAP
        left += _GROUP_GAP - _GAP
    for plane, height_mm in zip(views, heights_mm, strict=True):
        rows[plane] = (top, max(height_mm * scale + 2 * _MARGIN, _ROW_AT_LEAST))
        top += rows[plane][1] + _GAP
    return _Page(columns, rows, width, scale, top + _BOTTOM)


def _panel(figure: Figure, page: _Page, plane: str, column: str) -> Axes:
    """Add axes in mm with the origin in the middle, so that any picture keeps its true
    proportions.
    """
    top, height = page.rows[plane]
    axes = figure.add_axes(
        page.place(page.columns[column], top, page.column_width, height), label=f"{plane} {column}"
    )
    x, y = page.column_width / page.inches_per_mm / 2, height / page.inches_per_mm / 2
    axes.set(xlim=(-x, x), ylim=(-y, y), xticks=[], yticks=[], facecolor=_PANEL, autoscale_on=False)
    axes.spines[:].set_visible(False)
    return axes


def _draw_panel(axes: Axes, view: PlaneView, column: str, task: Task) -> None:
    if column not in view.pictures:
        axes.set_facecolor(_ABSENT)
        axes.text(0, 0, "not acquired", ha="center", va="center", color=_DIM, size=6)
        return
    is_image = column in task.modality_names
    map_colours = "inferno" if column == "entropy" else "viridis"
    x, y = (length / 2 for length in view.size_mm)
    axes.imshow(
        np.ma.masked_where(~view.inside, view.pictures[column]),
        cmap="gray" if is_image else map_colours,
        vmin=0,
        vmax=1,
        extent=(-x, x, -y, y),
        aspect="auto",
        interpolation="nearest",
    )
    if is_image or not view.pictures.keys() & set(task.modality_names):
        _outline_labels(axes, view, task)
    if column == "entropy":
        _outline(axes, view, view.inside, _DIM, "solid")


def _outline_labels(axes: Axes, view: PlaneView, task: Task) -> None:
    for name, style in (("seg", "solid"), ("truth", "dashed")):
        label = view.pictures.get(name, np.zeros((1, 1)))
        for value, colour in task.label_colours.items():
            _outline(axes, view, label == value, colour, style)


def _write_letters(axes: Axes, view: PlaneView, column: str, letters: str) -> None:
    """Write at the left, right, top and bottom of a picture what of the patient lies there."""
    if column not in view.pictures:
        return
    places = (
        (0.02, 0.5, "left", "center"),
        (0.98, 0.5, "right", "center"),
        (0.5, 0.985, "center", "top"),
        (0.5, 0.015, "center", "bottom"),
    )
    for letter, (across, up, ha, va) in zip(letters, places, strict=True):
        axes.text(across, up, letter, transform=axes.transAxes, ha=ha, va=va, color=_DIM, size=4.5)


def _outline(axes: Axes, view: PlaneView, inside: Mask, colour: str, style: str) -> None:
    """Draw where a mask ends.

    One voxel is added around, so that lines close at the picture's edge.
    """
    if not inside.any():
        return
    (rows, columns), (width, height) = inside.shape, view.size_mm
    x = (np.arange(-1, columns + 1) + 0.5) * width / columns - width / 2
    y = height / 2 - (np.arange(-1, rows + 1) + 0.5) * height / rows
    axes.contour(x, y, np.pad(inside, 1), [0.5], colors=colour, linewidths=0.6, linestyles=style)


def _write_headings(figure: Figure, page: _Page, title: str) -> None:
    def write(left: float, top: float, text: str, **style: Any) -> None:
        style = {
            "color": _TEXT,
            "ha": "center",
            "va": "center",
            "size": 6.5,
            "parse_math": False,
            **style,
        }
        figure.text(*page.place(left, top)[:2], text, **style)

    write(_LEFT, 0.17, title, size=8, weight="bold", ha="left")
    write(_LEFT, page.height - 0.13, "research use only, not for diagnosis", color=_DIM, ha="left")
    for column, left in page.columns.items():
        write(left + page.column_width / 2, _TOP - 0.1, column.replace("-", " "))
    for plane, (top, height) in page.rows.items():
        write(_LEFT / 2, top + height / 2, plane, rotation=90)


def _draw_keys(figure: Figure, page: _Page, task: Task, *, with_truth: bool) -> None:
    """Explain colours and lines below the columns where they occur."""
    top = page.height - _BOTTOM + 0.08
    keys = [
        Line2D([], [], color=colour, label=task.label_names[value])
        for value, colour in task.label_colours.items()
    ]
    if with_truth:  # a legend fills its columns downwards
        keys.insert(1, Line2D([], [], color=_TEXT, label="segmentation"))
        keys.insert(3, Line2D([], [], color=_TEXT, label="truth", linestyle="dashed"))
    place, tight = (
        page.place(_LEFT, top)[:2],
        {"borderpad": 0, "borderaxespad": 0, "frameon": False},
    )
    figure.legend(
        handles=keys if page.columns.keys() & set(task.modality_names) else [],
        loc="upper left",
        bbox_to_anchor=place,
        ncols=3,
        fontsize=6.5,
        labelcolor=_TEXT,
        **tight,
    )
    if "entropy" in page.columns:
        _draw_scale(figure, page, page.columns["entropy"], "inferno", "entropy (bit)")
    for kind in ("weight", "contribution"):
        lefts = [left for name, left in page.columns.items() if name.startswith(f"{kind}-")]
        if lefts:
            _draw_scale(figure, page, (lefts[0] + lefts[-1]) / 2, "viridis", kind)


def _draw_scale(figure: Figure, page: _Page, left: float, colours: str, name: str) -> None:
    place = page.place(left + 0.05, page.height - _BOTTOM + 0.08, page.column_width - 0.1, 0.08)
    axes = figure.add_axes(place, label=f"scale {name}")
    bar = figure.colorbar(
        ScalarMappable(cmap=colours), cax=axes, orientation="horizontal", ticks=[0, 0.5, 1]
    )
    axes.tick_params(labelsize=5.5, colors=_TEXT, length=2, pad=1.5)
    bar.outline.set_visible(False)
    bar.set_label(name, color=_TEXT, size=6.5, labelpad=1.5)
