"""Random transforms of intensities that leave what is outside at 0, as prepared cases have it."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

import torch
from monai.config import KeysCollection
from monai.transforms import MapTransform, RandomizableTrait
from torch import Tensor

from bundle.tensors import plain_tensor

_LOWEST, _HIGHEST = 0.005, 0.995  # quantiles
_N_SAMPLED = 50_000  # voxels, of which quantiles are taken


class VaryInsided(MapTransform, RandomizableTrait):
    """Apply transforms of intensities to each channel as to an image whose tissue lies between 0
    and 1.

    So gamma, bias fields and noise mean what they mean for a scanner's image, where z-scores, half
    of them negative, would make something else of them. Afterwards a channel has the mean 0 and the
    deviation 1 again, and exactly 0 outside. Channels without any voxel inside stay as they are.

    Args:
        keys: images (M, H, W, D), z-scores inside and 0 outside.
        transforms: of (1, H, W, D), one after the other; random ones are drawn for each channel.
    """

    def __init__(self, keys: KeysCollection, transforms: Sequence[Callable[..., Any]]) -> None:
        super().__init__(keys)
        self.transforms = list(transforms)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Vary every channel of every key."""
        sample = dict(data)
        for key in self.key_iterator(sample):
            varied = sample[key].clone()
            for channel in plain_tensor(varied):
                self._vary(channel)
            sample[key] = varied
        return sample

    def _vary(self, channel: Tensor) -> None:
        inside = channel != 0
        if not inside.any():
            return
        low, high = _ends(channel[inside])
        image = ((channel - low) / (high - low).clamp(min=1e-6)).clamp_(min=0).mul_(inside)[None]
        for transform in self.transforms:
            image = transform(image)
        channel.copy_(plain_tensor(image)[0])
        normalise_inside(channel, inside)


def normalise_inside(channel: Tensor, inside: Tensor) -> None:
    """Give the voxels inside the mean 0 and the deviation 1, all others 0, in place.

    Args:
        channel: (H, W, D) float.
        inside: (H, W, D) bool, not empty.
    """
    values = channel[inside]
    deviation = values.std(unbiased=False)
    channel.sub_(values.mean()).div_(torch.where(deviation > 0, deviation, 1.0)).mul_(inside)


def _ends(values: Tensor) -> tuple[Tensor, Tensor]:
    """Return the intensities between which most of the tissue lies."""
    sampled = values[:: max(len(values) // _N_SAMPLED, 1)]
    low, high = torch.quantile(sampled, torch.tensor([_LOWEST, _HIGHEST], dtype=values.dtype))
    return low, high
