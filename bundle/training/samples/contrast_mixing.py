"""Makes contrasts that no scanner has of those that a case has."""

from collections.abc import Hashable, Mapping
from typing import Any

import torch
from monai.config import KeysCollection
from monai.transforms import MapTransform, RandomizableTransform
from torch import Tensor

from bundle.tensors import plain_tensor
from bundle.training.samples.inside import normalise_inside


class RandContrastMixd(RandomizableTransform, MapTransform):
    """Replace channels of acquired modalities by random sums of all of them, with weights of either
    sign.

    The anatomy and its label stay; what is bright in them changes. For an expert that is to know
    tissue by its shape before it knows one contrast. Channels of modalities that were not acquired
    stay 0, and so does what is outside.

    Args:
        keys: images (M, H, W, D), 0 outside.
        prob: of each channel.
        presence: key of the presence flags, (M,) bool.

    Source: ours; to learn from contrasts that were drawn at random is the idea of Billot et al.,
    SynthSeg, Medical Image Analysis 2023, arXiv:2107.09559, who draw images from label maps.
    """

    def __init__(
        self, keys: KeysCollection = ("image",), prob: float = 0.3, presence: str = "presence"
    ) -> None:
        MapTransform.__init__(self, keys)
        RandomizableTransform.__init__(self, 1.0)
        self.channel_prob = prob
        self.presence = presence

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Mix the channels of every key."""
        sample = dict(data)
        acquired = torch.as_tensor(sample[self.presence], dtype=torch.bool)
        for key in self.key_iterator(sample):
            mixed = sample[key].clone()
            self._mix(plain_tensor(mixed), plain_tensor(sample[key]), acquired)
            sample[key] = mixed
        return sample

    def _mix(self, mixed: Tensor, image: Tensor, acquired: Tensor) -> None:
        for channel in range(len(image)):
            # Drawn for every channel, so that what one looks like does not hang on the others.
            chosen, weights = self.R.random() < self.channel_prob, self.R.normal(size=len(image))
            if chosen and acquired[channel]:
                shares = torch.as_tensor(weights, dtype=image.dtype) * acquired
                mixed[channel] = torch.tensordot(shares, image, dims=1)
                normalise_inside(mixed[channel], image[channel] != 0)
