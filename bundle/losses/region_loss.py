"""The task loss: soft Dice and cross-entropy of overlapping regions."""

from monai.losses import DiceLoss
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits


class DiceBCELoss(nn.Module):
    """Soft Dice plus binary cross-entropy, one value per case and region.

    Where a region is empty in the label, soft Dice is close to 1 whatever is predicted; it would drown
    the More-vs-Fewer hinge, so there the cross-entropy stands alone.

    Source: Li et al., SimMLM, arXiv:2507.19264: Dice and BCE per region, regions overlap.
    """

    def __init__(self) -> None:
        super().__init__()
        self.dice = DiceLoss(sigmoid=True, reduction="none", batch=False)

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Compare a prediction with the truth.

        Args:
            logits: (B, R, H, W, D), before the sigmoid.
            target: (B, R, H, W, D), 0 or 1.

        Returns:
            (B, R), at least 0.
        """
        logits, target = logits.float(), target.float()
        dice = self.dice(logits, target).flatten(1)
        cross_entropy = binary_cross_entropy_with_logits(logits, target, reduction="none").flatten(2).mean(dim=2)
        filled = target.flatten(2).any(dim=2)
        return cross_entropy + dice * filled
