"""What the volumes would be if one of the acquired modalities had not been."""

import numpy as np
import torch
from torch import Tensor

from bundle.tasks.task import Task

NOT_COMPUTED = -1.0
"""Stands for a modality without which nothing was computed."""


def sets_without_one(presence: Tensor) -> dict[int, Tensor]:
    """List the sets that lack one modality more.

    Args:
        presence: (1, M) bool, of one case.

    Returns:
        Channel of an acquired modality to the set without it (1, M); nothing where it is the only
        one.
    """
    acquired = presence[0].nonzero().flatten().tolist()
    if len(acquired) < 2:
        return {}
    fewer = {channel: presence.clone() for channel in acquired}
    for channel, flags in fewer.items():
        flags[0, channel] = False
    return fewer


def count_labels(logits: Tensor, task: Task) -> Tensor:
    """Count the voxels of each label.

    Args:
        logits: (R, H, W, D), of the regions.
        task: whose regions make up its labels.

    Returns:
        (L,) in the order of the task's labels, float64.
    """
    labels = task.regions_to_labels((logits > 0).numpy(force=True))
    counts = np.bincount(labels.ravel(), minlength=max(task.label_names) + 1)
    return torch.tensor([float(counts[label.value]) for label in task.labels], dtype=torch.float64)
