"""The simplest competitor of the mixture: one network that sees all modalities at once."""

from typing import Any, Final

import torch
from torch import Tensor, nn

from bundle.mixture.inputs import show_present
from bundle.mixture.mixing import hide_absent, on_device, refuse_empty, uniform_weights
from bundle.mixture.mixture import Mixture
from bundle.mixture.modality_network import ModalityNetwork
from bundle.peers.concatenated import Concatenated
from bundle.tasks.default import DEFAULT_TASK
from bundle.tasks.modality_sets import ModalitySets


class EarlyFusion(ModalityNetwork):
    """One network on all inputs, absent modalities zeroed.

    Trained on drawn modality sets this is modality dropout. Two sets share no computation: each
    prediction runs the whole network. The weights are equal over the present modalities and mean
    nothing.

    Args:
        unet: inputs to (B, R, ...) logits. One whose ``wants_presence`` is True is called with the
            presence (B, M), on the CPU, too.
        task: its modalities are the channels, in their order.

    Raises:
        ValueError: a ``Concatenated`` has other modalities than the task, or another order.
    """

    unet_wants_presence: Final[bool]  # a constant, by which TorchScript chooses what to compile

    def __init__(self, unet: nn.Module, task: ModalitySets = DEFAULT_TASK) -> None:
        super().__init__()
        if isinstance(unet, Concatenated) and unet.modalities != task.modality_names:
            raise ValueError(
                f"stems must be for {', '.join(task.modality_names)}; got"
                f" {', '.join(unet.modalities)}."
            )
        self.unet = unet
        self.unet_wants_presence = bool(getattr(unet, "wants_presence", False))
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
            shown = hide_absent(inputs, presence)
        else:
            shown = show_present(inputs, presence, self.modalities)  # type: ignore[unreachable]
        said = self.unet(shown, presence) if self.unet_wants_presence else self.unet(shown)
        logits: Tensor = said.float()
        weights = uniform_weights(presence, logits.shape[1])
        return Mixture(logits, on_device(weights, logits))
