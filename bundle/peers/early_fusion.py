"""The simplest competitor of the mixture: one network that sees all modalities at once."""

from collections.abc import Sequence

from torch import Tensor, nn

from bundle.mixture.mixing import hide_absent, refuse_empty, uniform_weights
from bundle.mixture.modality_network import ModalityNetwork
from bundle.tasks.modalities import MODALITIES


class EarlyFusion(ModalityNetwork):
    """One U-Net on the whole image, absent modalities zeroed.

    Trained on drawn modality sets this is modality dropout. Two sets share no computation: each
    prediction runs the whole network. The weights are equal over the present modalities and mean
    nothing.

    Args:
        unet: (B, M, H, W, D) to (B, R, H, W, D) logits.
        modalities: names of the image's channels.
    """

    def __init__(self, unet: nn.Module, modalities: Sequence[str] = MODALITIES) -> None:
        super().__init__()
        self.unet = unet
        self._modalities = tuple(modalities)

    @property
    def modalities(self) -> tuple[str, ...]:
        """Names of the image's channels, in their order."""
        return self._modalities

    def expert_logits(self, image: Tensor, presence: Tensor) -> Tensor:
        """Return (B, M, 0): there are no experts, so two sets have nothing in common."""
        refuse_empty(presence)
        return image.new_empty([presence.shape[0], presence.shape[1], 0])

    def mix(self, expert_logits: Tensor, image: Tensor, presence: Tensor) -> tuple[Tensor, Tensor]:  # noqa: ARG002
        """Run the network on one modality set.

        Args:
            expert_logits: not read.
            image: (B, M, H, W, D); channels outside the set are ignored.
            presence: (B, M) bool, the set.

        Returns:
            Logits (B, R, H, W, D) and equal weights (B, M, R), float32.
        """
        logits = self.unet(hide_absent(image, presence)).float()
        return logits, uniform_weights(presence, logits.shape[1]).to(
            logits.device, non_blocking=True
        )
