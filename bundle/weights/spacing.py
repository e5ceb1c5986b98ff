"""Which voxels the network sees that weights are of."""

from typing import TypeVar

import torch
from torch import nn

from bundle.weights.state_file import State

Network = TypeVar("Network", bound=nn.Module)

SPACING = "spacing"
"""Name of the spacing among the tensors of weights; those without it are of voxels of 1 mm."""


def with_spacing(network: Network, spacing: int) -> Network:
    """Let a network remember which voxels it sees, so that its weights tell of them.

    Args:
        network: gets a buffer ``spacing``.
        spacing: mm.
    """
    network.register_buffer(SPACING, torch.tensor(float(spacing)))
    return network


def spacing_in(state: State) -> int:
    """Return the spacing of the voxels that weights were trained on, mm."""
    return round(float(state[SPACING])) if SPACING in state else 1
