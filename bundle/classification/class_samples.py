"""Batches of cases with classes, the same in every run."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from bundle.classification.class_cases import ClassCases
from bundle.mixture.modality_pairs import RandModalityPaird

Batch = dict[str, Any]


class ClassSamples(Dataset[Batch]):
    """Cases by whole batches, with the two modality sets that the ranking loss compares.

    The sets of an epoch are drawn for all cases at once from seed and epoch alone: neither the
    order of the cases nor workers nor interruptions change them. Data loaders must be given
    ``whole_batch`` to collate.

    Args:
        cases: read when a batch is asked for.
        pairs: draws the two sets of a case, under ``more`` and ``fewer``; None draws none.
        seed: 0 or more.
    """

    def __init__(
        self, cases: ClassCases, pairs: RandModalityPaird | None = None, *, seed: int = 0
    ) -> None:
        self.cases = cases
        self.pairs = pairs
        self.seed = seed
        self.set_epoch(0)

    def __len__(self) -> int:
        return len(self.cases)

    def set_epoch(self, epoch: int) -> None:
        """Draw the modality sets of an epoch, 0 or more; call it before the loader is iterated."""
        self._sets: dict[str, Tensor] = {}
        if self.pairs is not None:
            entropy = np.random.SeedSequence([self.seed, epoch])
            self.pairs.set_random_state(int(entropy.generate_state(1)[0]))
            drawn = [self.pairs({"presence": flags}) for flags in self.cases.presence]
            names = (self.pairs.more, self.pairs.fewer)
            self._sets = {name: torch.stack([one[name] for one in drawn]) for name in names}

    def __getitem__(self, position: int) -> Batch:
        return self.__getitems__([position])[0]

    def __getitems__(self, positions: Sequence[int]) -> list[Batch]:
        """Return one batch: ``image`` (modality to (B, ...)), ``label`` (B,), ``presence`` and the
        sets (B, M) bool, ``case_id``.

        MONAI's engines find inputs under ``image``, whatever they are.
        """
        chosen = list(positions)
        batch = {
            "image": self.cases.read(chosen),
            "label": self.cases.labels[chosen],
            "presence": self.cases.presence[chosen],
            "case_id": [self.cases.case_ids[position] for position in chosen],
        }
        return [batch | {name: flags[chosen] for name, flags in self._sets.items()}]


def whole_batch(batches: Sequence[Batch]) -> Batch:
    """Return the batch that ``ClassSamples`` gave: there is nothing to collate."""
    (batch,) = batches
    return batch
