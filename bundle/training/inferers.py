"""What a training step asks of the network."""

import torch
from monai.inferers import Inferer
from torch import Tensor

from bundle.data.preprocessing import plain_tensor
from bundle.networks.dmome import DMoME


class ExpertsInferer(Inferer):
    """Stage 1: run every present expert on its own modality.

    Args:
        amp: compute in bfloat16 where that is safe (the sums of losses stay in float32).
    """

    def __init__(self, amp: bool = False) -> None:
        super().__init__()
        self.amp = amp

    def __call__(self, inputs: Tensor, network: DMoME, presence: Tensor) -> tuple[Tensor, Tensor]:  # type: ignore[override]
        """Give expert logits (B, M, R, H, W, D) and the presence (B, M) that tells which of them count."""
        with torch.autocast(inputs.device.type, dtype=torch.bfloat16, enabled=self.amp):
            return network.expert_logits(plain_tensor(inputs), presence), presence


class PairInferer(Inferer):
    """Stage 2: predict one crop from two modality sets, running each expert once and the gate twice."""

    def __init__(self, amp: bool = False) -> None:
        super().__init__()
        self.amp = amp

    def __call__(  # type: ignore[override]
        self, inputs: Tensor, network: DMoME, more: Tensor, fewer: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Predict from both sets.

        Args:
            inputs: (B, M, H, W, D).
            network: the mixture.
            more: (B, M) bool, the larger sets.
            fewer: (B, M) bool, subsets of ``more``.

        Returns:
            Logits of the larger and of the smaller sets, (B, R, H, W, D) each.
        """
        image = plain_tensor(inputs)
        with torch.autocast(image.device.type, dtype=torch.bfloat16, enabled=self.amp):
            expert_logits = network.expert_logits(image, more)
            return network.mix(expert_logits, image, more)[0], network.mix(expert_logits, image, fewer)[0]
