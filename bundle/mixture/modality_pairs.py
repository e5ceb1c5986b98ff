"""Draws the two modality sets that the More-vs-Fewer loss compares."""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import product
from typing import Any, NamedTuple

import torch
from monai.transforms import MapTransform, RandomizableTransform

from bundle.errors import SetupError

STRATEGIES = ("uniform", "reference")
"""Ways to draw one of several modality sets."""

N_CACHED = 4096
"""Drawings whose candidates are remembered: for a small case listing them takes longer than all
else."""

Flags = tuple[bool, ...]
"""One per modality, True where it is in the set."""


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
        acquired = tuple(torch.as_tensor(sample[self.keys[0]], dtype=torch.bool).tolist())
        fewer = self._choose(_smaller(acquired), acquired)
        sample[self.fewer] = torch.tensor(fewer)
        sample[self.more] = torch.tensor(self._choose(_larger(acquired, fewer), acquired))
        return sample

    def _choose(self, candidates: "_Candidates", otherwise: Flags) -> Flags:
        chosen = candidates.all
        if not chosen:
            return otherwise
        if self.strategy == "reference":
            chosen = candidates.by_size[self.R.randint(len(candidates.by_size))]
        return chosen[self.R.randint(len(chosen))]


def subsets(acquired: Flags) -> list[Flags]:
    """List the non-empty subsets of a modality set."""
    choices = product(*([False, True] if flag else [False] for flag in acquired))
    return [choice for choice in choices if any(choice)]


def is_proper_superset(larger: Sequence[bool], smaller: Sequence[bool]) -> bool:
    """Whether every modality of ``smaller`` is in ``larger``, and one more."""
    pairs = list(zip(larger, smaller, strict=True))
    return all(large or not small for large, small in pairs) and sum(larger) > sum(smaller)


class _Candidates(NamedTuple):
    """Modality sets to draw one from, and the same by their number of modalities, small ones
    first.
    """

    all: tuple[Flags, ...]
    by_size: tuple[tuple[Flags, ...], ...]


@lru_cache(maxsize=N_CACHED)
def _smaller(acquired: Flags) -> _Candidates:
    """Find the sets that leave an acquired modality out."""
    return _candidates(chosen for chosen in subsets(acquired) if chosen != acquired)


@lru_cache(maxsize=N_CACHED)
def _larger(acquired: Flags, fewer: Flags) -> _Candidates:
    """Find the acquired sets that have all of ``fewer`` and more."""
    return _candidates(chosen for chosen in subsets(acquired) if is_proper_superset(chosen, fewer))


def _candidates(found: Iterable[Flags]) -> _Candidates:
    sets = tuple(found)
    sizes = sorted({sum(chosen) for chosen in sets})
    by_size = (tuple(chosen for chosen in sets if sum(chosen) == size) for size in sizes)
    return _Candidates(sets, tuple(by_size))
