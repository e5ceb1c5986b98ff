"""The task loss, soft Dice and cross-entropy of overlapping regions, and what else ranks them."""

from monai.losses import DiceLoss
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from bundle.errors import SetupError

EMPTY_REGIONS = ("skip", "one", "batch")
"""What soft Dice may do where a region is empty in the label."""


class DiceBCELoss(nn.Module):
    """Soft Dice plus binary cross-entropy, one value per case and region.

    Where a region is empty in the label, soft Dice is close to 1 whatever is predicted; it would
    drown the More-vs-Fewer hinge. What happens there is a choice:

    * ``skip``: the cross-entropy stands alone.
    * ``one``: soft Dice counts as it comes, about 1 unless the prediction is empty too.
    * ``batch``: overlap and volumes of a region are summed over the batch before they are divided;
      every case gets this one Dice beside its own cross-entropy. A region that is empty in the
      whole batch is skipped. The batch is what one call sees: the cases of one process, in stage 1
      only those with the expert's modality.

    Args:
        empty_regions: ``skip``, ``one`` or ``batch``.

    Raises:
        SetupError: ``empty_regions`` is something else.

    Source: Li et al., SimMLM, arXiv:2507.19264: Dice and BCE per region, regions overlap.
    """

    def __init__(self, empty_regions: str = "skip") -> None:
        super().__init__()
        if empty_regions not in EMPTY_REGIONS:
            raise SetupError(
                "E_SETTING",
                f"empty_regions must be one of {', '.join(EMPTY_REGIONS)}; got {empty_regions!r}."
                " Choose one of them.",
            )
        self.empty_regions = empty_regions
        self.dice = DiceLoss(sigmoid=True, reduction="none", batch=empty_regions == "batch")

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Compare a prediction with the truth.

        Args:
            logits: (B, R, ...), before the sigmoid; at least one axis of pixels or voxels.
            target: (B, R, ...), 0 or 1.

        Returns:
            (B, R), at least 0.
        """
        logits, target = logits.float(), target.float()
        of_voxels = binary_cross_entropy_with_logits(logits, target, reduction="none")
        cross_entropy = of_voxels.flatten(2).mean(dim=2)
        dice = self.dice(logits, target).reshape(-1, logits.shape[1])
        if self.empty_regions != "one":
            dice = dice * self._filled(target)
        return cross_entropy + dice

    def _filled(self, target: Tensor) -> Tensor:
        """Return where soft Dice has something to find: (B, R), or (1, R) for the whole batch."""
        filled = target.flatten(2).any(dim=2)
        return filled.any(dim=0, keepdim=True) if self.empty_regions == "batch" else filled


class MissedConfidence(nn.Module):
    """How much probability is missing on a region, one value per case and region.

    For the More-vs-Fewer hinge, which can rank two predictions by it instead of by their task loss
    (Ma et al. 2023, Calibrating Multimodal Learning, arXiv:2306.01265, rank confidences).
    """

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Compare a prediction with the truth.

        Args:
            logits: (B, R, ...), before the sigmoid.
            target: (B, R, ...), 0 or 1.

        Returns:
            (B, R), 0 to 1: one less the mean probability on the region; 0 where it is empty.
        """
        target = target.float().flatten(2)
        missed = ((1 - logits.float().sigmoid().flatten(2)) * target).sum(dim=2)
        return missed / target.sum(dim=2).clamp(min=1)
