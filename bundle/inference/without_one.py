"""What would be found if one of the acquired modalities had not been."""

import math
from collections.abc import Sequence
from operator import add
from typing import NamedTuple

import numpy as np
import torch
from monai.transforms.utils import generate_spatial_bounding_box
from torch import Tensor

from bundle.mixture.mixing import binary_entropy
from bundle.mixture.modality_network import ModalityNetwork
from bundle.tasks.task import Task
from bundle.volume_networks.pooling import unpool

NOT_COMPUTED = -1.0
"""Stands for a modality without which nothing was computed."""


class Found(NamedTuple):
    """What a modality set finds.

    Attributes:
        counts: (L,) float64, voxels of the labels, in their order.
        entropy: bit, mean over the voxels of all labels of the entropy of the least sure region;
            NaN where nothing was found.
    """

    counts: Tensor
    entropy: float


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


def what_is_found(logits: Tensor, task: Task) -> Found:
    """Count the voxels of each label, and tell how sure they are.

    Args:
        logits: (R, H, W, D), of the regions, as far as they are calibrated.
        task: whose regions make up its labels.
    """
    labels = task.regions_to_labels((logits > 0).numpy(force=True))
    counts = np.bincount(labels.ravel(), minlength=max(task.label_names) + 1)
    listed = [float(counts[label.value]) for label in task.labels]
    found = torch.from_numpy(labels > 0)
    entropies = binary_entropy(torch.sigmoid(logits[:, found])).amax(0)
    mean = float(entropies.mean()) if entropies.numel() else math.nan
    return Found(torch.tensor(listed, dtype=torch.float64), mean)


class OneWindow:
    """A case that lies in one window, where most voxels need not be computed again.

    A network of which ``finds_where_experts_do`` finds nothing where no expert does, whatever the
    modality set: only the box around what experts find is mixed.

    Args:
        padding: voxels that the window has more than the pooled case, along each axis; half of them
            lie before it, as MONAI pads.
        spacing: as ``WindowedInferer``.
        shape: (H, W, D), of the case at 1 mm.
    """

    def __init__(self, padding: Sequence[int], spacing: int, shape: Sequence[int]) -> None:
        self.starts = [missing // 2 for missing in padding]
        self.spacing = spacing
        self.shape = tuple(shape)

    def logits(
        self, network: ModalityNetwork, encoded: Tensor, window: Tensor, sets: Sequence[Tensor]
    ) -> list[Tensor]:
        """Return the logits (R, h, w, d) of modality sets at 1 mm, in a box that holds all that any
        of them finds.

        Args:
            network: of the experts.
            encoded: (1, M, R, H, W, D), what they say of the window.
            window: (1, M, H, W, D).
            sets: (1, M) bool each.
        """
        sizes = [math.ceil(size / self.spacing) for size in self.shape]
        rows, columns, planes = map(slice, self.starts, map(add, self.starts, sizes))
        chosen = torch.stack(list(sets)).any(dim=0)[0]
        found = (encoded[0, chosen][..., rows, columns, planes] > 0).flatten(0, 1).any(dim=0)
        if not found.any():
            return [-torch.ones(encoded.shape[2], 1, 1, 1)] * len(sets)
        low, high = generate_spatial_bounding_box(found[None], margin=1, allow_smaller=True)
        spans = list(zip(map(int, low), map(int, high), strict=True))
        rows, columns, planes = (
            slice(start + a, start + b) for start, (a, b) in zip(self.starts, spans, strict=True)
        )
        fine = [
            min(b * self.spacing, size) - a * self.spacing
            for (a, b), size in zip(spans, self.shape, strict=True)
        ]
        part = encoded[..., rows, columns, planes]
        mixed = [network.mix(part, window, flags).logits.float() for flags in sets]
        return [unpool(logits, self.spacing, fine)[0] for logits in mixed]
