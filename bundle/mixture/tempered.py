"""An expert whose confidence is learned apart from what it says."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn


class Tempered(nn.Module):
    """Multiplies an expert's logits by a positive number, the inverse of a temperature.

    Experts that were trained alone may be too sure of themselves, each in its own measure; in a
    mixture of logits the surest one is heard most. The number is learned and starts at 1. This is
    ours, not the paper's.

    Args:
        expert: to logits.

    Source: Guo et al., On Calibration of Modern Neural Networks, ICML 2017, temperature scaling.
    """

    def __init__(self, expert: nn.Module) -> None:
        super().__init__()
        self.expert = expert
        self.log_scale = nn.Parameter(torch.zeros(()))

    def forward(self, values: Tensor) -> Tensor:
        """Return the expert's logits, scaled."""
        logits: Tensor = self.expert(values)
        return logits * self.log_scale.exp()


def each_tempered(experts: Mapping[str, nn.Module]) -> dict[str, nn.Module]:
    """Give every expert a temperature of its own."""
    return {name: Tempered(expert) for name, expert in experts.items()}
