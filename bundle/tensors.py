"""Images as networks read them, and tensors without MONAI's metadata."""

from collections.abc import Mapping

from monai.data import MetaTensor
from torch import Tensor

Image = Tensor | Mapping[str, Tensor]
"""What a network reads: one tensor (B, M, ...) with the modalities as channels, or modality to a
tensor (B, ...) of a shape of its own."""


def plain_tensor(image: Tensor) -> Tensor:
    """Drop MONAI's metadata, whose bookkeeping costs time in every operation.

    The voxels are shared.
    """
    return image.as_tensor() if isinstance(image, MetaTensor) else image


def plain_image(image: Image) -> Image:
    """Drop MONAI's metadata of an image, be it one tensor or several."""
    if isinstance(image, Tensor):
        return plain_tensor(image)
    return {name: plain_tensor(values) for name, values in image.items()}


def first_tensor(image: Image) -> Tensor:
    """Return a tensor of an image, which tells its device and the number of cases."""
    return image if isinstance(image, Tensor) else next(iter(image.values()))
