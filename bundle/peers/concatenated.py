"""One network of modalities that have shapes of their own: their features side by side."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from bundle.mixture.inputs import of_each_modality
from bundle.mixture.mixing import hide_absent
from bundle.tensors import Inputs


class Concatenated(nn.Module):
    """Joins the features of all modalities for one head; those of absent modalities are 0.

    Args:
        stems: one network per modality, from its own shape (B, ...) to features (B, ...), which are
            flattened. Their order is that of the presence flags.
        head: (B, F) to logits (B, C); F is the sum of the stems' features.
    """

    wants_presence = True

    def __init__(self, stems: Mapping[str, nn.Module], head: nn.Module) -> None:
        super().__init__()
        self.stems = nn.ModuleDict(stems)
        self.head = head

    @property
    def modalities(self) -> tuple[str, ...]:
        """Names of the stems, in their order."""
        return tuple(self.stems)

    def forward(self, inputs: Inputs, presence: Tensor) -> Tensor:
        """Predict from the modalities that are there.

        Args:
            inputs: (B, M, ...), or modality to (B, ...); absent modalities are 0.
            presence: (B, M) bool.

        Returns:
            Logits (B, C).
        """
        parts = of_each_modality(inputs, self.modalities)
        features = [
            hide_absent(stem(values).flatten(1), presence[:, m])
            for m, (stem, values) in enumerate(zip(self.stems.values(), parts, strict=True))
        ]
        logits: Tensor = self.head(torch.cat(features, dim=1))
        return logits
