"""What validation compares the predictions of many modality sets with."""

from collections.abc import Hashable, Mapping
from typing import Any

import torch
from monai.config import KeysCollection
from monai.transforms import MapTransform


class RepeatForSetsd(MapTransform):
    """Repeat each region of the label once per modality set, as ``ModalitySetsInferer`` lays out
    its prediction.

    For a set with a modality that the case lacks there is nothing to compare: its label is left
    empty, and Dice leaves out what is empty in the label.

    Args:
        keys: label (R, H, W, D), which becomes (R * S, H, W, D), regions outermost; ``presence``
            must be there too.
        modality_sets: S sets as presence flags.
    """

    def __init__(self, keys: KeysCollection, modality_sets: list[list[bool]]) -> None:
        super().__init__(keys)
        self.sets = torch.tensor(modality_sets, dtype=torch.bool)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Repeat every key."""
        repeated = dict(data)
        presence = torch.as_tensor(repeated["presence"]).bool().cpu()
        possible = ~(self.sets & ~presence).any(dim=1)
        for key in self.key_iterator(repeated):
            label = repeated[key]
            flags = possible.to(label.device)[None, :, None, None, None]
            repeated[key] = (label[:, None] * flags).flatten(0, 1)
        return repeated
