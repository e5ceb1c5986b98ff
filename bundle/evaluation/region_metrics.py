"""Compares one case's regions with the truth: overlap, surfaces, volumes.

A region that is empty in truth and prediction is right: Dice and surface Dice 1, distance 0. One
that is empty in only one of them is missed or invented: Dice and surface Dice 0, distance the
diagonal of the grid (373.1 mm on the grid of the BraTS challenge, which takes 374 mm). ``truth_ml``
is 0 where the truth has no such region, so that an average can leave it out.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bundle.evaluation.metrics import REGION_METRICS
from bundle.evaluation.region_pair import RegionPair
from bundle.tasks.default import DEFAULT_TASK
from bundle.tasks.task import Task


def region_metrics(
    predicted: NDArray[np.bool_],
    truth: NDArray[np.bool_],
    spacing_mm: Sequence[float],
    *,
    task: Task = DEFAULT_TASK,
    grid_shape: Sequence[int] | None = None,
) -> dict[str, dict[str, float]]:
    """Compute ``REGION_METRICS`` of every region.

    Args:
        predicted: (R, H, W, D), bool or 0 and 1, in the order of the task's regions.
        truth: (R, H, W, D), on the same grid.
        spacing_mm: of the voxels, three numbers.
        task: whose regions these are.
        grid_shape: (H, W, D) of the grid, if both were cut out of it.

    Returns:
        Region to metric to value: mm, ml, shares in [0, 1]; ``volume_error_ml`` is predicted less
        true. ``sensitivity`` is NaN for an empty truth, ``precision`` for an empty prediction. What
        touches the border of the grid has a surface there.

    Raises:
        ValueError: the shapes differ, or are not those of regions.
    """
    n_regions = task.n_regions
    if predicted.shape != truth.shape or predicted.ndim != 4 or len(predicted) != n_regions:
        raise ValueError(
            f"prediction and truth must both have the shape ({n_regions}, H, W, D); "
            f"got {predicted.shape} and {truth.shape}."
        )
    found = {}
    for index, region in enumerate(task.region_names):
        pair = RegionPair(
            predicted[index].astype(bool, copy=False),
            truth[index].astype(bool, copy=False),
            spacing_mm,
            grid_shape,
        )
        found[region] = {metric.name: metric.measure(pair) for metric in REGION_METRICS}
    return found
