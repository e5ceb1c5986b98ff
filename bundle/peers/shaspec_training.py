"""What the training of ShaSpec needs beside that of the mixture: its two auxiliary losses."""

from collections.abc import Callable
from typing import Any

import torch
from monai.inferers import Inferer
from torch import Tensor, nn

from bundle.peers.shared_specific import SharedSpecificNetwork
from bundle.tensors import Inputs, first_tensor, plain_inputs

Prediction = tuple[Tensor, Tensor, Tensor, Tensor]


class ShaSpecInferer(Inferer):
    """Predict one sample from two modality sets, and give the auxiliary losses of the larger one.

    Args:
        amp: compute in bfloat16 where that is safe.
    """

    def __init__(self, amp: bool = False) -> None:
        super().__init__()
        self.amp = amp

    def __call__(  # type: ignore[override]
        self, inputs: Inputs, network: SharedSpecificNetwork, more: Tensor, fewer: Tensor
    ) -> Prediction:
        """Predict from both sets.

        Args:
            inputs: (B, M, ...), or modality to (B, ...).
            network: the network.
            more: (B, M) bool, the larger sets.
            fewer: (B, M) bool, subsets of ``more``.

        Returns:
            Logits of the larger and of the smaller sets, (B, R, ...) each; distribution
            alignment and domain classification, scalars.
        """
        inputs, more, fewer = plain_inputs(inputs), more.cpu(), fewer.cpu()
        device = first_tensor(inputs).device.type
        with torch.autocast(device, dtype=torch.bfloat16, enabled=self.amp):
            features = network.encode(inputs, more)
            of_more = network.mix(features, inputs, more).logits
            of_fewer = network.mix(features, inputs, fewer).logits
            alignment, domain = network.auxiliary_losses(features, more)
        return of_more, of_fewer, alignment, domain


class ShaSpecLoss(nn.Module):
    """The task loss of both modality sets plus the weighted auxiliary losses.

    Args:
        pair_loss: of (larger set's logits, smaller set's logits) and target.
        alignment: weight of the distribution alignment, the paper's alpha.
        domain: weight of the domain classification, the paper's beta.

    Attributes:
        parts: detached terms of the last call, those of ``pair_loss`` included.

    Source: Wang et al., ShaSpec, arXiv:2307.14126; alpha 0.1 and beta 0.02 as its BraTS runs are
    named.
    """

    def __init__(
        self, pair_loss: Callable[..., Tensor], alignment: float = 0.1, domain: float = 0.02
    ) -> None:
        super().__init__()
        self.pair_loss = pair_loss
        self.alignment = alignment
        self.domain = domain
        self.parts: dict[str, Any] = {}

    def forward(self, pred: Prediction, target: Tensor) -> Tensor:
        """Compute the loss of a batch, a scalar: ``pred`` from ``ShaSpecInferer``, target as
        ``pair_loss`` takes it.
        """
        more, fewer, alignment, domain = pred
        loss = (
            self.pair_loss((more, fewer), target)
            + self.alignment * alignment
            + self.domain * domain
        )
        auxiliary = {"alignment": alignment.detach(), "domain": domain.detach()}
        self.parts = {**getattr(self.pair_loss, "parts", {}), **auxiliary}
        return loss
