"""Which voxels a network sees: its weights tell of them."""

from collections.abc import Mapping
from typing import TypeVar

import torch
from torch import Tensor, nn

Network = TypeVar("Network", bound=nn.Module)

SPACING = "spacing"
"""Name of the spacing among the tensors of weights; those without it are of voxels of 1 mm."""


def with_spacing(network: Network, spacing: int) -> Network:
    """Let a network remember which voxels it sees, so that its weights tell of them.

    Args:
        network: gets a buffer ``spacing``, or another value in it.
        spacing: mm.
    """
    network.register_buffer(SPACING, torch.tensor(float(spacing)))
    return network


def spacing_in(state: Mapping[str, Tensor]) -> int:
    """Return the spacing of the voxels that weights were trained on, mm."""
    return round(float(state[SPACING])) if SPACING in state else 1
