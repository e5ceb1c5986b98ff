"""Compares one case's regions with the truth: overlap, surfaces, volumes.

A region that is empty in truth and prediction is right: Dice and surface Dice 1, distance 0. One
that is empty in only one of them is missed or invented: Dice and surface Dice 0, distance the
diagonal of the grid (373.1 mm on the grid of the BraTS challenge, which takes 374 mm). ``truth_ml``
is 0 where the truth has no such region, so that an average can leave it out.
"""

import math
import warnings
from collections.abc import Sequence

import numpy as np
import torch
from monai.metrics import compute_hausdorff_distance, compute_surface_dice
from numpy.typing import NDArray
from torch import Tensor

from bundle.tasks.regions import REGIONS

METRICS = (
    "dice",
    "hd95_mm",
    "surface_dice_1mm",
    "sensitivity",
    "precision",
    "volume_error_ml",
    "truth_ml",
    "predicted_ml",
)

TOLERANCE_MM = 1.0
_SPACING_DIGITS = 4
"""Of the spacing in mm: at 1.0000002, as headers have it, surfaces one voxel apart would be beyond
the tolerance.
"""


def region_metrics(
    predicted: NDArray[np.bool_], truth: NDArray[np.bool_], spacing_mm: Sequence[float]
) -> dict[str, dict[str, float]]:
    """Compute ``METRICS`` of every region.

    Args:
        predicted: (R, H, W, D), bool or 0 and 1, in ``REGIONS`` order.
        truth: (R, H, W, D), on the same grid.
        spacing_mm: of the voxels, three numbers.

    Returns:
        Region to metric to value: mm, ml, shares in [0, 1]; ``volume_error_ml`` is predicted less
        true. ``sensitivity`` is NaN for an empty truth, ``precision`` for an empty prediction. What
        touches the border of the grid has a surface there.

    Raises:
        ValueError: the shapes differ, or are not those of regions.
    """
    if predicted.shape != truth.shape or predicted.ndim != 4 or len(predicted) != len(REGIONS):
        raise ValueError(
            f"prediction and truth must both have the shape ({len(REGIONS)}, H, W, D); "
            f"got {predicted.shape} and {truth.shape}."
        )
    pairs = zip(
        REGIONS, predicted.astype(bool, copy=False), truth.astype(bool, copy=False), strict=True
    )
    return {region: _compare(ours, theirs, spacing_mm) for region, ours, theirs in pairs}


def _compare(
    predicted: NDArray[np.bool_], truth: NDArray[np.bool_], spacing_mm: Sequence[float]
) -> dict[str, float]:
    voxel_ml = math.prod(spacing_mm) / 1000
    n_predicted, n_truth = int(predicted.sum()), int(truth.sum())
    n_both = int((predicted & truth).sum())
    volumes = {
        "volume_error_ml": (n_predicted - n_truth) * voxel_ml,
        "truth_ml": n_truth * voxel_ml,
        "predicted_ml": n_predicted * voxel_ml,
    }
    return {
        "dice": 2 * n_both / (n_predicted + n_truth) if n_predicted + n_truth else 1.0,
        **_surfaces(predicted, truth, spacing_mm),
        "sensitivity": n_both / n_truth if n_truth else math.nan,
        "precision": n_both / n_predicted if n_predicted else math.nan,
        **volumes,
    }


def _surfaces(
    predicted: NDArray[np.bool_], truth: NDArray[np.bool_], spacing_mm: Sequence[float]
) -> dict[str, float]:
    if not predicted.any() or not truth.any():
        if predicted.any() == truth.any():
            return {"hd95_mm": 0.0, "surface_dice_1mm": 1.0}
        diagonal = [size * spacing for size, spacing in zip(truth.shape, spacing_mm, strict=True)]
        return {"hd95_mm": math.hypot(*diagonal), "surface_dice_1mm": 0.0}
    box = _box(predicted | truth)
    ours, theirs = _one_hot(predicted[box]), _one_hot(truth[box])
    spacing = [round(float(value), _SPACING_DIGITS) for value in spacing_mm]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MONAI calls its own deprecated arguments
        hd95 = compute_hausdorff_distance(
            ours, theirs, include_background=True, percentile=95, spacing=spacing
        )
        share = compute_surface_dice(
            ours,
            theirs,
            [TOLERANCE_MM],
            include_background=True,
            spacing=spacing,
            use_subvoxels=True,
        )
    return {"hd95_mm": float(hd95), "surface_dice_1mm": float(share)}


def _box(mask: NDArray[np.bool_]) -> tuple[slice, ...]:
    """Return the smallest box around what is True; MONAI adds a margin to what it gets, at the
    grid's border too.
    """
    axes = range(mask.ndim)
    spans = (
        np.flatnonzero(mask.any(axis=tuple(other for other in axes if other != axis)))
        for axis in axes
    )
    return tuple(slice(int(span[0]), int(span[-1]) + 1) for span in spans)


def _one_hot(mask: NDArray[np.bool_]) -> Tensor:
    """(H, W, D) to (1, 1, H, W, D)."""
    return torch.from_numpy(np.ascontiguousarray(mask))[None, None].float()
