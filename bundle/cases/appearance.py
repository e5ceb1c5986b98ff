"""How the modalities of an exam look, in a few numbers that do not depend on the scanner's
units.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bundle.tasks.task import Task
from bundle.volume_networks.pooling import pool_inside

Numbers = tuple[float, ...]
Pair = tuple[str, str]

_MM = 2  # of the voxels that are looked at: scans of 1 mm and of 2 mm then have the same noise
_LEVELS = (0.002, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 0.998)
_TAILS = (0.002, 0.01)  # quantiles; their mirror images are the other ends
_MOST_VOXELS = 40_000  # of those inside, at equal steps: quantiles need no more
_FEWEST_VOXELS = 100


@dataclass(frozen=True)
class Appearance:
    """What is looked at in an exam.

    Attributes:
        volume_ml: of what is inside of any modality.
        alone: of each acquired modality, quantiles and skewness of its normalised intensities
            inside.
        pairs: of each two, in the order of the task: how far they rise together (rank correlation),
            and how much longer the bright tail of their difference is than its dark one, in its
            standard deviations, at two quantiles.
    """

    volume_ml: float
    alone: Mapping[str, Numbers]
    pairs: Mapping[Pair, Numbers]

    @property
    def modalities(self) -> tuple[str, ...]:
        """Those that were acquired, in the order of the task."""
        return tuple(self.alone)

    def named(self, names: Mapping[str, str]) -> "Appearance":
        """Return how the exam looks if its modalities have other names.

        Args:
            names: each modality to the name that it would have.
        """
        alone = {names[modality]: numbers for modality, numbers in self.alone.items()}
        pairs = {
            (names[one], names[other]): numbers for (one, other), numbers in self.pairs.items()
        }
        return Appearance(self.volume_ml, alone, pairs)


def appearance_of(image: Tensor, presence: Tensor, task: Task) -> Appearance:
    """Look at a prepared exam.

    Args:
        image: (M, H, W, D) of 1 mm, each modality normalised inside; absent ones are 0.
        presence: (M,) bool.
        task: whose modalities the channels are.
    """
    coarse = pool_inside(image, _MM)
    inside = coarse != 0
    volume_ml = float(inside.any(dim=0).sum()) * _MM**3 / 1000
    scans: dict[str, NDArray[np.float32]] = {}
    masks: dict[str, NDArray[np.bool_]] = {}
    for modality, channel, mask, present in zip(
        task.modality_names, coarse, inside, presence.tolist(), strict=True
    ):
        if present and int(mask.sum()) >= _FEWEST_VOXELS:
            masks[modality] = mask.numpy()
            scans[modality] = _normalised(channel.numpy(), masks[modality])
    alone = {modality: _of_one(_thinned(scan[masks[modality]])) for modality, scan in scans.items()}
    pairs = {}
    for one, other in combinations(scans, 2):
        both = masks[one] & masks[other]
        if int(both.sum()) >= _FEWEST_VOXELS:
            pairs[one, other] = _of_two(_thinned(scans[one][both]), _thinned(scans[other][both]))
    return Appearance(volume_ml, alone, pairs)


def _normalised(scan: NDArray[np.float32], mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    voxels = scan[mask]
    return (scan - voxels.mean()) / (voxels.std() or 1.0)


def _thinned(voxels: NDArray[np.float32]) -> NDArray[np.float32]:
    return voxels[:: math.ceil(len(voxels) / _MOST_VOXELS)]


def _of_one(voxels: NDArray[np.float32]) -> Numbers:
    skewness = float((voxels.astype(np.float64) ** 3).mean())
    return (*np.quantile(voxels, _LEVELS).tolist(), skewness)


def _of_two(one: NDArray[np.float32], other: NDArray[np.float32]) -> Numbers:
    correlation = float(np.corrcoef(_ranks(one), _ranks(other))[0, 1])
    difference = one - other
    deviation, median = float(difference.std()) or 1.0, float(np.median(difference))
    tails = [
        float(np.quantile(difference, 1 - share) + np.quantile(difference, share) - 2 * median)
        / deviation
        for share in _TAILS
    ]
    return (correlation, *tails)


def _ranks(voxels: NDArray[np.float32]) -> NDArray[np.float64]:
    return torch.from_numpy(voxels).argsort().argsort().double().numpy()
