"""Experts that give features instead of logits, for networks that mix those."""

from collections.abc import Mapping
from copy import deepcopy

from torch import nn

OUTPUT_BLOCK = "output_block"
"""Name of the layer by which every expert makes logits of its features."""


def without_output(expert: nn.Module) -> nn.Module:
    """Copy an expert without its output layer: it gives features.

    All other weights keep their names, so that an expert of stage 1 fits.
    """
    copied = deepcopy(expert)
    setattr(copied, OUTPUT_BLOCK, nn.Identity())
    return copied


def each_without_output(experts: Mapping[str, nn.Module]) -> dict[str, nn.Module]:
    """Copy experts without their output layers, see ``without_output``."""
    return {name: without_output(expert) for name, expert in experts.items()}
