"""The task loss of classes."""

from torch import Tensor, nn
from torch.nn.functional import cross_entropy


class ClassLoss(nn.Module):
    """Cross-entropy of exclusive classes, one value per case."""

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Compare a prediction with the truth.

        Args:
            logits: (B, C), before the softmax.
            target: (B,), positions of the classes, of any type.

        Returns:
            (B,), at least 0.
        """
        return cross_entropy(logits.float(), target.long(), reduction="none")
