"""A loss by which smaller modality sets also learn from larger ones."""

from collections.abc import Callable

from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

PairLoss = Callable[[tuple[Tensor, ...], Tensor], Tensor]


class SelfDistillation(nn.Module):
    """Add the cross-entropy of the smaller set's prediction against the larger set's, which is the
    teacher and gets no gradient of it.

    For overlapping regions, whose probabilities are sigmoids.

    Args:
        loss: of both predictions and the truth, such as ``MoFeLoss``; what its ``parts`` hold is
            kept.
        weight: of what is added.

    Attributes:
        parts: those of the loss, and the unweighted ``taught``.

    Source: self-distillation from the full set to its subsets, as in CCSD (arXiv:2511.14599) and
        MST-KDNet (arXiv:2507.22626), here between the two sets of a pair.
    """

    def __init__(self, loss: PairLoss, weight: float = 1.0) -> None:
        super().__init__()
        self.loss = loss
        self.weight = weight
        self.parts: dict[str, Tensor] = {}

    def forward(self, pred: tuple[Tensor, ...], target: Tensor) -> Tensor:
        """Compute the loss of a batch.

        Args:
            pred: logits of the larger and of the smaller modality set, each (B, R, ...), and
                whatever else the loss takes.
            target: as the loss takes it.

        Returns:
            A scalar.
        """
        loss = self.loss(pred, target)
        teacher = pred[0].detach().float().sigmoid()
        taught = binary_cross_entropy_with_logits(pred[1].float(), teacher)
        self.parts = {**getattr(self.loss, "parts", {}), "taught": taught.detach()}
        return loss + self.weight * taught
