"""What validation compares the predictions of many modality sets with."""

from collections.abc import Hashable, Mapping
from typing import Any

import torch
from monai.transforms import Transform
from torch import Tensor

from bundle.tasks.task import THRESHOLD
from bundle.tensors import plain_tensor


class SetsAsChannelsd(Transform):
    """Turn the predictions of ``SetInferer`` and the label into channels, one per region and set,
    which MONAI's Dice compares one by one.

    For a set with a modality that the case lacks there is nothing to compare: its label is left
    empty, and Dice leaves out what is empty in the label.

    Args:
        modality_sets: S sets as presence flags.
    """

    def __init__(self, modality_sets: list[list[bool]]) -> None:
        self.sets = [tuple(chosen) for chosen in modality_sets]

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Replace ``pred`` and ``label``.

        Args:
            data: ``pred``, what ``SetInferer`` gives, for one case; ``label`` (R, H, W, D).

        Returns:
            Both as (R * S, H, W, D), 0 or 1, regions outermost.
        """
        case = dict(data)
        label, pred = plain_tensor(case["label"]), case["pred"]
        predicted = [tuple(flags) for flags in pred["sets"].tolist()]
        inside = torch.sigmoid(plain_tensor(pred["logits"])) >= THRESHOLD
        places = [self.sets.index(chosen) for chosen in predicted]
        case["pred"] = self._channels(inside.float(), places, label)
        case["label"] = self._channels(label.expand(len(places), *label.shape), places, label)
        return case

    def _channels(self, values: Tensor, places: list[int], label: Tensor) -> Tensor:
        """Put (s, R, ...) at the places of their sets: (R * S, ...), 0 for the others."""
        channels = values.new_zeros((len(label), len(self.sets), *label.shape[1:]))
        for place, of_set in zip(places, values, strict=True):
            channels[:, place] = of_set
        return channels.flatten(0, 1)
