"""Classes of a case from every set of its modalities."""

from collections.abc import Sequence

import torch
from monai.inferers import Inferer
from torch import Tensor

from bundle.mixture.modality_network import ModalityNetwork
from bundle.tensors import Inputs, first_tensor, plain_inputs


class ClassSetInferer(Inferer):
    """Predict from modality sets, with the experts run once for all of them.

    Args:
        modality_sets: S flags of M modalities each.
    """

    def __init__(self, modality_sets: Sequence[Sequence[bool]]) -> None:
        super().__init__()
        self.modality_sets = torch.tensor([list(flags) for flags in modality_sets])

    def __call__(  # type: ignore[override]
        self, inputs: Inputs, network: ModalityNetwork, presence: Tensor
    ) -> dict[str, Tensor]:
        """Predict from each set that a case has.

        Args:
            inputs: modality to (B, ...).
            network: the mixture, or another.
            presence: (B, M) bool.

        Returns:
            ``probabilities`` (B, S, C) and ``weights`` (B, S, M), float32 on the CPU; NaN where a
            case lacks a modality of the set.
        """
        values, present = plain_inputs(inputs), presence.cpu()
        with torch.autocast(first_tensor(values).device.type, enabled=False):
            encoded = network.encode(values, present)
            mixed = [network.mix(encoded, values, present & one) for one in self.modality_sets]
        fits = torch.stack([(present | ~one).all(dim=1) for one in self.modality_sets], dim=1)
        logits = torch.stack([each.logits for each in mixed], dim=1).cpu()
        # All classes share the weights.
        weights = torch.stack([each.weights[..., 0] for each in mixed], dim=1).cpu()
        unknown = ~fits.unsqueeze(-1)
        return {
            "probabilities": torch.softmax(logits, dim=-1).masked_fill(unknown, torch.nan),
            "weights": weights.masked_fill(unknown, torch.nan),
        }
