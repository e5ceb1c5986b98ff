"""Brings maps back to the grid of a case's files."""

from collections.abc import Hashable, Mapping
from copy import deepcopy
from typing import Any

import torch
from monai.data import MetaTensor
from monai.transforms import Invertd

from bundle.inference.placement import Placement, placement_of
from bundle.tensors import plain_tensor

PLACEMENT = "placement"
"""Key of the place where maps lie that stayed in their box."""


class ToInputGridd(Invertd):
    """MONAI's ``Invertd``, quicker where a case was not resampled: then nothing is interpolated.

    Args:
        boxed: there, leave maps in their box, along its own axes, and say in ``placement`` where
            that lies.
        options: as ``Invertd``.
    """

    def __init__(self, *, boxed: bool = False, **options: Any) -> None:
        super().__init__(**options)
        self.boxed = boxed

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Bring every key back, as ``Invertd`` does."""
        case = dict(data)
        image: MetaTensor = case[self.orig_keys[0]]
        placement = placement_of(
            image.applied_operations, image.affine.numpy(force=True), image.shape[1:]
        )
        if placement is None or not self._needs_no_more():
            restored: dict[Hashable, Any] = super().__call__(case)
            return restored
        for key in self.key_iterator(case):
            case[key] = self._restored(case[key], image, placement)
        return {**case, PLACEMENT: placement} if self.boxed else case

    def _needs_no_more(self) -> bool:
        """Whether nothing was asked for that only ``Invertd`` does."""
        return len(set(self.orig_keys)) == 1 and not any(map(callable, self.post_func))

    def _restored(self, values: torch.Tensor, image: MetaTensor, place: Placement) -> MetaTensor:
        turned = image.applied_operations[0]
        affine = torch.as_tensor(turned["extra_info"]["original_affine"], dtype=image.affine.dtype)
        plain = plain_tensor(values).detach()
        plain = plain if self.boxed else place.embed(plain.float())
        meta = {**deepcopy(image.meta), "affine": affine}
        return MetaTensor(plain, meta=meta, applied_operations=[])
