"""What the volume of a label may be, by the probabilities of its voxels."""

from collections.abc import Mapping
from functools import lru_cache
from itertools import product

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bundle.tasks.task import Task

SURE, POSSIBLE = 0.8, 0.2
"""A voxel above the first is surely in a region, one not above the second surely not."""

Counts = Mapping[str, tuple[int, int]]


def voxel_intervals(probabilities: Tensor, task: Task) -> Counts:
    """Count the voxels that surely have a label, and those that possibly have it.

    A region whose probability lies between both limits may or may not hold a voxel. What surely has
    a label has it whichever of these regions hold it; what possibly has it, with some choice. So
    what the label map says, of decisions at 0.5, always lies between both counts.

    If all voxels were doubted together, each in a region where one common number from 0 to 1 is
    below its probability, a region's volume would lie between its two counts in 60 of 100 draws;
    of all ways in which voxels may depend on each other this one spreads a volume most. Whether
    probabilities are that good has to be measured, see docs/performance.md.

    Source: the task, volumes with error bars from probabilities of voxels, is that of Eaton-Rosen
    et al., arXiv:1806.08640, who sample networks where this takes limits of one network's
    probabilities.

    Args:
        probabilities: (R, H, W, D), of the regions.
        task: whose regions make up its labels.

    Returns:
        Name of a label to the smallest and largest count.
    """
    codes = np.bincount(_codes(probabilities), minlength=3**task.n_regions)
    sure, possible = _tables(task)
    return {
        label.name: (int(codes @ sure[:, label.value]), int(codes @ possible[:, label.value]))
        for label in task.labels
    }


def _codes(probabilities: Tensor) -> NDArray[np.integer]:
    """Return one number with a ternary digit per region, 0 out, 1 in doubt, 2 in, for all voxels
    that are not surely out of all.
    """
    kind = torch.uint8 if 3 ** len(probabilities) <= 256 else torch.int32
    codes = torch.zeros(probabilities.shape[1:], dtype=kind, device=probabilities.device)
    for index, region in enumerate(probabilities):
        for limit in (POSSIBLE, SURE):
            codes += (region > limit).to(kind).mul_(3**index)
    flat: NDArray[np.integer] = codes.numpy(force=True).ravel(order="K")
    return flat[flat != 0]


@lru_cache(maxsize=8)
def _tables(task: Task) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Tell for each code (3 ** R) and label (L) whether voxels surely, and possibly, have it."""
    choices = np.array(list(product((False, True), repeat=task.n_regions)))
    labels = task.regions_to_labels(choices.T)
    n_values = max(task.label_names) + 1
    possible = np.zeros((3**task.n_regions, n_values), np.int64)
    for code in range(len(possible)):
        digits = code // 3 ** np.arange(task.n_regions) % 3
        fits = ((digits == 1) | (choices == (digits == 2))).all(axis=1)
        possible[code, labels[fits]] = 1
    is_only = possible.sum(axis=1, keepdims=True) == 1
    return possible * is_only, possible
