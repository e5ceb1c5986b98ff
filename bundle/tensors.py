"""What networks read, and tensors without MONAI's metadata."""

from collections.abc import Mapping

from monai.data import MetaTensor
from torch import Tensor

Inputs = Tensor | Mapping[str, Tensor]
"""What a network reads: one tensor (B, M, ...) with the modalities as channels, or modality to a
tensor (B, ...) of a shape of its own."""


def plain_tensor(values: Tensor) -> Tensor:
    """Drop MONAI's metadata, whose bookkeeping costs time in every operation.

    The memory is shared.
    """
    return values.as_tensor() if isinstance(values, MetaTensor) else values


def plain_inputs(inputs: Inputs) -> Inputs:
    """Drop MONAI's metadata of what a network reads, be it one tensor or several."""
    if isinstance(inputs, Tensor):
        return plain_tensor(inputs)
    return {name: plain_tensor(values) for name, values in inputs.items()}


def first_tensor(inputs: Inputs) -> Tensor:
    """Return a tensor of the inputs, which tells their device and the number of cases."""
    return inputs if isinstance(inputs, Tensor) else next(iter(inputs.values()))
