"""The simplest competitor of the mixture: one network that sees all modalities at once."""

from typing import Any

import torch
from torch import Tensor, nn

from bundle.mixture.inputs import show_present
from bundle.mixture.mixing import hide_absent, on_device, refuse_empty, uniform_weights
from bundle.mixture.mixture import Mixture
from bundle.mixture.modality_network import ModalityNetwork
from bundle.tasks.default import DEFAULT_TASK
from bundle.tasks.task import Task


class EarlyFusion(ModalityNetwork):
    """One network on all inputs, absent modalities zeroed.

    Trained on drawn modality sets this is modality dropout. Two sets share no computation: each
    prediction runs the whole network. The weights are equal over the present modalities and mean
    nothing.

    Args:
        unet: inputs to (B, R, ...) logits.
        task: its modalities are the channels, in their order.
    """

    def __init__(self, unet: nn.Module, task: Task = DEFAULT_TASK) -> None:
        super().__init__()
        self.unet = unet
        self._modalities = task.modality_names

    @property
    def modalities(self) -> tuple[str, ...]:
        """Names of the modalities, in the order of the channels."""
        return self._modalities

    def encode(self, inputs: Any, presence: Tensor) -> Tensor:  # noqa: ARG002
        """Return (B, M, 0): there are no experts, so two sets have nothing in common."""
        refuse_empty(presence)
        return torch.empty([presence.shape[0], presence.shape[1], 0])

    def mix(self, encoded: Tensor, inputs: Tensor, presence: Tensor) -> Mixture:  # noqa: ARG002
        """Run the network on one modality set.

        Args:
            encoded: not read.
            inputs: (B, M, ...), or modality to (B, ...); modalities outside the set are ignored.
            presence: (B, M) bool, the set.

        Returns:
            Logits (B, R, ...) and equal weights (B, M, R), float32.
        """
        if torch.jit.is_scripting() or isinstance(inputs, Tensor):
            logits = self.unet(hide_absent(inputs, presence)).float()
        else:
            shown = show_present(inputs, presence, self.modalities)  # type: ignore[unreachable]
            logits = self.unet(shown).float()
        weights = uniform_weights(presence, logits.shape[1])
        return Mixture(logits, on_device(weights, logits))
