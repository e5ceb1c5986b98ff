"""The gate of modalities that have nothing in common but the case."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn


class ModalityGate(nn.Module):
    """Features of each modality by a small network of its own, concatenated, one linear layer.

    Args:
        extractors: modality to a network, (B, ...) to (B, F_m); in the network's order.
        n_features: the sum of all F_m.

    Source: Li et al., SimMLM, Table A1 of the supplement: 128 + 128 features, linear to 2 x 1.
    """

    def __init__(self, extractors: Mapping[str, nn.Module], n_features: int) -> None:
        super().__init__()
        self.extractors = nn.ModuleDict(extractors)
        self.linear = nn.Linear(n_features, len(extractors))

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """Score the modalities.

        Args:
            inputs: modality to (B, ...), absent ones 0.

        Returns:
            (B, M, 1) scores, unbounded; larger means more trusted. The classes share them.
        """
        features = [extract(inputs[name]) for name, extract in self.extractors.items()]
        scores: Tensor = self.linear(torch.cat(features, dim=1))
        return scores.unsqueeze(-1)
