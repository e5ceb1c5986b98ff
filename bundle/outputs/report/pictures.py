"""The pictures of a report that need no viewer, and the small one of the list of cases."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from bundle.files.figures import figure_bytes, printable
from bundle.outputs.preview import share_maps, views_figure
from bundle.outputs.report.case_view import ENTROPY, SEGMENTATION, CaseView
from bundle.volumes.plane_views import PlaneView

_DPI = 160
_THUMBNAIL_INCHES, _THUMBNAIL_DPI = 1.6, 100
_QUALITY = {"quality": 82}
_TITLE_LENGTH = 55
_EQUAL = 0.01
_PLANES = "Axial, coronal and sagittal slice through most of what was found"


@dataclass(frozen=True)
class Picture:
    """A picture in a page.

    Attributes:
        url: ``data:``, with the bytes of the picture.
        words: what there is to see, for those who do not.
    """

    url: str
    words: str


def case_pictures(view: CaseView) -> list[Picture]:
    """Draw the images with outlines of the labels, and the maps."""
    groups: list[Sequence[str]] = [view.task.modality_names if view.images else []]
    groups += [[ENTROPY]] if ENTROPY in view.maps else []
    words = f"{_PLANES}{_seen(view)}."
    pictures = [_picture(view, groups, words)] if any(groups) else []
    parts = [name for name in share_maps(view.maps, view.task) if name.startswith("contribution-")]
    weights = _varying_weights(view)
    if parts:
        words = f"{_PLANES}: what each modality contributed."
        pictures.append(_picture(view, [parts], words))
    elif weights:
        words = f"{_PLANES}: the weight of each modality."
        pictures.append(_picture(view, [weights], words))
    return pictures


def _seen(view: CaseView) -> str:
    titles = [view.task.modality(name).title for name in view.task.in_order(view.images)]
    entropy = ["entropy"] if ENTROPY in view.maps else []
    return f": {', '.join([*titles, *entropy])}, with outlines of the labels"


def _varying_weights(view: CaseView) -> list[str]:
    """Name the weight maps, unless each is one number everywhere, as the page's table has it."""
    names = [f"weight-{modality}" for modality in view.task.modality_names]
    shares = [view.maps[name][view.inside] for name in names if name in view.maps]
    return names if any(share.size and np.ptp(share) > _EQUAL for share in shares) else []


def _picture(view: CaseView, groups: Sequence[Sequence[str]], words: str) -> Picture:
    title = printable(view.case_id, _TITLE_LENGTH)
    return Picture(_url(views_figure(view.planes, groups, title, view.task)), words)


def _url(figure: Figure) -> str:
    content = figure_bytes(figure, _DPI, "jpeg", **_QUALITY)
    return f"data:image/jpeg;base64,{base64.b64encode(content).decode('ascii')}"


def thumbnail(view: CaseView) -> bytes:
    """Draw the axial slice alone, labels in their colours, as a small JPEG."""
    plane = view.planes["axial"]
    height, width = plane.size_mm[::-1]
    scale = _THUMBNAIL_INCHES / max(height, width)
    figure = Figure(figsize=(_THUMBNAIL_INCHES, _THUMBNAIL_INCHES), facecolor="black")
    share = (width * scale / _THUMBNAIL_INCHES, height * scale / _THUMBNAIL_INCHES)
    axes = figure.add_axes(((1 - share[0]) / 2, (1 - share[1]) / 2, *share))
    axes.set_axis_off()
    axes.imshow(_painted(plane, view), aspect="auto", interpolation="nearest")
    return figure_bytes(figure, _THUMBNAIL_DPI, "jpeg", **_QUALITY)


def _painted(plane: PlaneView, view: CaseView) -> np.ndarray:
    """Return (rows, columns, RGB) in [0, 1]."""
    modality = view.shown_modality
    grey = plane.pictures[modality] if modality else plane.inside * 0.3
    colours = np.repeat(np.where(plane.inside, grey, 0)[..., None], 3, axis=2).astype(float)
    for value, colour in _colours(view).items():
        found = plane.pictures[SEGMENTATION] == value
        colours[found] = 0.45 * colours[found] + 0.55 * np.array(to_rgb(colour))
    return colours


def _colours(view: CaseView) -> Mapping[int, str]:
    return view.task.label_colours
