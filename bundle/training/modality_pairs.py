"""Draws the two modality sets that the More-vs-Fewer loss compares."""

from collections.abc import Hashable, Mapping
from itertools import product
from typing import Any

import torch
from monai.transforms import MapTransform, RandomizableTransform
from torch import Tensor


class RandModalityPaird(RandomizableTransform, MapTransform):
    """Draw, for each training sample, a set ``fewer`` and a proper superset ``more`` of it.

    ``fewer`` is uniform over the non-empty sets of acquired modalities that leave at least one out;
    ``more`` is uniform over its proper supersets. A case with a single modality gets that set twice.

    Args:
        keys: the key of the presence flags, (M,) bool.
        more: key under which the larger set is stored, (M,) bool.
        fewer: key of the smaller set.
    """

    def __init__(self, keys: str = "presence", more: str = "more", fewer: str = "fewer") -> None:
        MapTransform.__init__(self, keys)
        RandomizableTransform.__init__(self, prob=1.0)
        self.more = more
        self.fewer = fewer

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Add the two sets to the sample."""
        sample = dict(data)
        presence = torch.as_tensor(sample[self.keys[0]], dtype=torch.bool)
        fewer = self._choose([chosen for chosen in subsets(presence) if chosen.sum() < presence.sum()], presence)
        larger = [chosen for chosen in subsets(presence) if is_proper_superset(chosen, fewer)]
        sample[self.fewer] = fewer
        sample[self.more] = self._choose(larger, presence)
        return sample

    def _choose(self, candidates: list[Tensor], otherwise: Tensor) -> Tensor:
        return candidates[self.R.randint(len(candidates))] if candidates else otherwise.clone()


def subsets(presence: Tensor) -> list[Tensor]:
    """List the non-empty subsets of a modality set, (M,) bool each."""
    choices = product(*([False, True] if flag else [False] for flag in presence.tolist()))
    return [torch.tensor(choice) for choice in choices if any(choice)]


def is_proper_superset(larger: Tensor, smaller: Tensor) -> bool:
    """Tell whether every modality of ``smaller`` is in ``larger``, and one more."""
    return bool((larger | ~smaller).all() and larger.sum() > smaller.sum())
