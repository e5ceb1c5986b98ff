"""Draws the two modality sets that the More-vs-Fewer loss compares."""

from collections.abc import Hashable, Mapping
from itertools import product
from typing import Any

import torch
from monai.transforms import MapTransform, RandomizableTransform
from torch import Tensor

from bundle.errors import SetupError

STRATEGIES = ("uniform", "reference")
"""Ways to draw one of several modality sets."""


class RandModalityPaird(RandomizableTransform, MapTransform):
    """Draw, for each training sample, a set ``fewer`` and a proper superset ``more`` of it.

    ``fewer`` comes from the non-empty sets of acquired modalities that leave at least one out,
    ``more`` from the proper supersets of ``fewer`` among the acquired modalities. A case with a
    single modality gets that set twice. Each of the two draws is

    * ``uniform``: all candidates alike.
    * ``reference``: first the number of modalities, uniformly over the numbers that candidates
      have, then a candidate with that number, uniformly. Of four acquired modalities each pair of
      modalities is then ``fewer`` in 1/3 x 1/6 of the draws, 22 % below 1/14, which is what is
      known of the reference code's draws; that ``more`` is drawn in the same way is an assumption.

    Args:
        keys: the key of the presence flags, (M,) bool.
        more: key under which the larger set is stored, (M,) bool.
        fewer: key of the smaller set.
        strategy: ``uniform`` or ``reference``.

    Raises:
        SetupError: the strategy is something else.
    """

    def __init__(
        self,
        keys: str = "presence",
        more: str = "more",
        fewer: str = "fewer",
        strategy: str = "uniform",
    ) -> None:
        MapTransform.__init__(self, keys)
        RandomizableTransform.__init__(self, prob=1.0)
        if strategy not in STRATEGIES:
            raise SetupError(
                "E_SETTING",
                f"strategy of the modality pairs must be one of {', '.join(STRATEGIES)}; got"
                f" {strategy!r}. Choose one of them.",
            )
        self.more = more
        self.fewer = fewer
        self.strategy = strategy

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Add the two sets to the sample."""
        sample = dict(data)
        presence = torch.as_tensor(sample[self.keys[0]], dtype=torch.bool)
        fewer = self._choose(
            [chosen for chosen in subsets(presence) if chosen.sum() < presence.sum()], presence
        )
        larger = [chosen for chosen in subsets(presence) if is_proper_superset(chosen, fewer)]
        sample[self.fewer] = fewer
        sample[self.more] = self._choose(larger, presence)
        return sample

    def _choose(self, candidates: list[Tensor], otherwise: Tensor) -> Tensor:
        if not candidates:
            return otherwise.clone()
        if self.strategy == "reference":
            sizes = sorted({int(chosen.sum()) for chosen in candidates})
            size = sizes[self.R.randint(len(sizes))]
            candidates = [chosen for chosen in candidates if chosen.sum() == size]
        return candidates[self.R.randint(len(candidates))]


def subsets(presence: Tensor) -> list[Tensor]:
    """List the non-empty subsets of a modality set, (M,) bool each."""
    choices = product(*([False, True] if flag else [False] for flag in presence.tolist()))
    return [torch.tensor(choice) for choice in choices if any(choice)]


def is_proper_superset(larger: Tensor, smaller: Tensor) -> bool:
    """Whether every modality of ``smaller`` is in ``larger``, and one more."""
    return bool((larger | ~smaller).all() and larger.sum() > smaller.sum())
