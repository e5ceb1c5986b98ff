"""Inputs by modality: one tensor with the modalities as channels, or modality to tensors of
different shapes.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from bundle.mixture.mixing import derive_presence, hide_absent
from bundle.tensors import Inputs


def of_each_modality(inputs: Inputs, modalities: Sequence[str]) -> list[Tensor]:
    """Split inputs into what the modalities' experts read.

    Args:
        inputs: (B, M, ...), or modality to (B, ...).
        modalities: names, in the order of the channels.

    Returns:
        Per modality (B, 1, ...) of one tensor; of a mapping its own tensor as it is.

    Raises:
        ValueError: a mapping has other modalities.
    """
    if isinstance(inputs, Tensor):
        return [inputs[:, m : m + 1] for m in range(len(modalities))]
    if set(inputs) != set(modalities):
        raise ValueError(
            f"inputs must have the modalities {', '.join(modalities)}; got {', '.join(inputs)}."
            " Give zeros for absent ones."
        )
    return [inputs[name] for name in modalities]


def presence_in(inputs: Inputs, modalities: Sequence[str]) -> Tensor:
    """Find the acquired modalities of whole cases, see ``derive_presence``: (B, M) bool on the
    CPU.
    """
    if isinstance(inputs, Tensor):
        return derive_presence(inputs)
    parts = of_each_modality(inputs, modalities)
    return torch.cat([derive_presence(values.unsqueeze(1)) for values in parts], dim=1)


def show_present(inputs: Inputs, presence: Tensor, modalities: Sequence[str]) -> Inputs:
    """Set absent modalities to 0, whatever they hold, see ``hide_absent``.

    Of the same kind and shapes.
    """
    if isinstance(inputs, Tensor):
        return hide_absent(inputs, presence)
    parts = of_each_modality(inputs, modalities)
    return {
        name: hide_absent(values.unsqueeze(1), presence[:, m : m + 1]).squeeze(1)
        for m, (name, values) in enumerate(zip(modalities, parts, strict=True))
    }
