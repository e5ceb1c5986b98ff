"""Keeps of a judged case the one slice that shows where it went wrong."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bundle.tasks.modalities import MODALITIES
from bundle.volumes.plane_views import (
    grey_window,
    patient_spacing_mm,
    plane_picture,
    tight_span,
    to_patient_axes,
)

SHOWN_FIRST = ("t2f", "t1c", "t2w", "t1n")
"""Modalities in the order in which one is chosen to be shown: where most of a tumour is
seen first.
"""

_MARGIN = 3  # voxels around the brain


@dataclass(frozen=True, eq=False)
class CaseSlice:
    """An axial slice as radiologists look at it: patient's right on the left, front on top.

    Attributes:
        case: name.
        score: mean Dice over the regions that the truth has, of the whole case; without any 1 if
            nothing was found.
        image: (rows, columns), greys in [0, 1]; black outside the brain.
        truth: (R, rows, columns).
        predicted: (R, rows, columns).
        size_mm: width and height.
    """

    case: str
    score: float
    image: NDArray[np.float32]
    truth: NDArray[np.bool_]
    predicted: NDArray[np.bool_]
    size_mm: tuple[float, float]


def worst_slice(
    case: str,
    image: NDArray[np.float32],
    truth: NDArray[np.bool_],
    predicted: NDArray[np.bool_],
    *,
    score: float,
    affine: NDArray[Any],
) -> CaseSlice:
    """Cut the slice with most wrong voxels; without any the one with most truth, and without truth
    the middle one.

    Args:
        case: name.
        image: (M, H, W, D), absent modalities are 0.
        truth: (R, H, W, D).
        predicted: (R, H, W, D).
        score: of the case.
        affine: (4, 4), voxel to world, RAS+ mm; any orientation.
    """
    grey = to_patient_axes(_shown(image), affine)
    regions = [
        np.stack([to_patient_axes(region, affine) for region in part.astype(bool)])
        for part in (truth, predicted)
    ]
    index = _worst_index(*regions)
    brain = plane_picture(grey != 0, "axial", index) | np.any(
        [_cut(part, index).any(axis=0) for part in regions], 0
    )
    rows, columns = (
        _widened(tight_span(brain.any(axis=other)), brain.shape[axis])
        for axis, other in ((0, 1), (1, 0))
    )
    low, width = grey_window(grey)
    cut = plane_picture(grey, "axial", index)[rows, columns]
    # Normalised intensities are also negative: 0, which is outside the brain, would be grey.
    picture = np.where(cut != 0, np.clip((cut - low) / width, 0, 1), 0).astype(np.float32)
    ours, theirs = (_cut(part, index)[:, rows, columns].copy() for part in regions)
    across, up, _ = patient_spacing_mm(affine).tolist()
    return CaseSlice(
        case, score, picture, ours, theirs, (picture.shape[1] * across, picture.shape[0] * up)
    )


def _shown(image: NDArray[np.float32]) -> NDArray[np.float32]:
    volumes = {name: image[MODALITIES.index(name)] for name in SHOWN_FIRST}
    return next((volume for volume in volumes.values() if np.any(volume)), volumes[SHOWN_FIRST[0]])


def _worst_index(truth: NDArray[np.bool_], predicted: NDArray[np.bool_]) -> int:
    """Return the place along the third axis of (R, X, Y, Z)."""
    for marked in (truth ^ predicted, truth):
        counts = marked.sum(axis=(0, 1, 2))
        if counts.any():
            return int(counts.argmax())
    return truth.shape[3] // 2


def _cut(regions: NDArray[np.bool_], index: int) -> NDArray[np.bool_]:
    return np.stack([plane_picture(region, "axial", index) for region in regions])


def _widened(span: slice, size: int) -> slice:
    return slice(max(span.start - _MARGIN, 0), min(span.stop + _MARGIN, size))
