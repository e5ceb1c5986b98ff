"""Keeps of a judged case the one slice that shows where it went wrong."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bundle.tasks.task import Task
from bundle.volumes.plane_views import (
    grey_window,
    patient_spacing_mm,
    plane_picture,
    tight_span,
    to_patient_axes,
)

_MARGIN = 3  # voxels around the brain


@dataclass(frozen=True, eq=False)
class CaseSlice:
    """An axial slice as radiologists look at it: patient's right on the left, front on top.

    Attributes:
        case: name.
        score: mean Dice over the regions that the truth has, of the whole case; without any 1 if
            nothing was found.
        image: (rows, columns), greys in [0, 1]; black outside the brain.
        predicted: (R, rows, columns).
        truth: (R, rows, columns).
        size_mm: width and height.
    """

    case: str
    score: float
    image: NDArray[np.float32]
    predicted: NDArray[np.bool_]
    truth: NDArray[np.bool_]
    size_mm: tuple[float, float]


def worst_slice(
    case: str,
    image: NDArray[np.float32],
    predicted: NDArray[np.bool_],
    truth: NDArray[np.bool_],
    *,
    score: float,
    affine: NDArray[Any],
    task: Task,
) -> CaseSlice:
    """Cut the slice with most wrong voxels.

    Without any the one with most truth, and without truth the middle one.

    Args:
        case: name.
        image: (M, H, W, D), absent modalities are 0.
        predicted: (R, H, W, D).
        truth: (R, H, W, D).
        score: of the case.
        affine: (4, 4), voxel to world, RAS+ mm; any orientation.
        task: chooses the modality that is shown.
    """
    grey = to_patient_axes(_shown(image, task), affine)
    turned_predicted, turned_truth = _turned(predicted, affine), _turned(truth, affine)
    index = _worst_index(turned_predicted, turned_truth)
    found, wanted = _cut(turned_predicted, index), _cut(turned_truth, index)
    brain = plane_picture(grey != 0, "axial", index) | found.any(axis=0) | wanted.any(axis=0)
    rows = _widened(tight_span(brain.any(axis=1)), brain.shape[0])
    columns = _widened(tight_span(brain.any(axis=0)), brain.shape[1])
    low, width = grey_window(grey[grey != 0])
    cut = plane_picture(grey, "axial", index)[rows, columns]
    # Normalised intensities are also negative: 0, which is outside the brain, would be grey.
    picture = np.where(cut != 0, np.clip((cut - low) / width, 0, 1), 0).astype(np.float32)
    across_mm, up_mm, _ = patient_spacing_mm(affine).tolist()
    return CaseSlice(
        case=case,
        score=score,
        image=picture,
        predicted=found[:, rows, columns].copy(),
        truth=wanted[:, rows, columns].copy(),
        size_mm=(picture.shape[1] * across_mm, picture.shape[0] * up_mm),
    )


def _shown(image: NDArray[np.float32], task: Task) -> NDArray[np.float32]:
    volumes = [image[task.modality_names.index(name)] for name in task.shown_first]
    return next((volume for volume in volumes if np.any(volume)), volumes[0])


def _turned(regions: NDArray[np.bool_], affine: NDArray[Any]) -> NDArray[np.bool_]:
    return np.stack([to_patient_axes(region, affine) for region in regions.astype(bool)])


def _worst_index(predicted: NDArray[np.bool_], truth: NDArray[np.bool_]) -> int:
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
