"""Images by modality: one tensor with the modalities as channels, or modality to tensors of
different shapes.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from bundle.mixture.mixing import derive_presence, hide_absent
from bundle.tensors import Image


def of_each_modality(image: Image, modalities: Sequence[str]) -> list[Tensor]:
    """Split an image into what the modalities' experts read.

    Args:
        image: (B, M, ...), or modality to (B, ...).
        modalities: names, in the order of the channels.

    Returns:
        Per modality (B, 1, ...) of one tensor; of a mapping its own tensor as it is.

    Raises:
        ValueError: a mapping has other modalities.
    """
    if isinstance(image, Tensor):
        return [image[:, m : m + 1] for m in range(len(modalities))]
    if set(image) != set(modalities):
        raise ValueError(
            f"image must have the modalities {', '.join(modalities)}; got {', '.join(image)}."
            " Give zeros for absent ones."
        )
    return [image[name] for name in modalities]


def presence_in(image: Image, modalities: Sequence[str]) -> Tensor:
    """Find the acquired modalities of whole images, see ``derive_presence``: (B, M) bool on the
    CPU.
    """
    if isinstance(image, Tensor):
        return derive_presence(image)
    parts = of_each_modality(image, modalities)
    return torch.cat([derive_presence(values.unsqueeze(1)) for values in parts], dim=1)


def show_present(image: Image, presence: Tensor, modalities: Sequence[str]) -> Image:
    """Set absent modalities to 0, whatever they hold, see ``hide_absent``.

    An image of the same kind and shapes.
    """
    if isinstance(image, Tensor):
        return hide_absent(image, presence)
    parts = of_each_modality(image, modalities)
    return {
        name: hide_absent(values.unsqueeze(1), presence[:, m : m + 1]).squeeze(1)
        for m, (name, values) in enumerate(zip(modalities, parts, strict=True))
    }
