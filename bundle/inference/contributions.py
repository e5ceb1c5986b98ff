"""What of a decision is owed to each modality, voxel by voxel.

A mixture of logits adds up what each expert says, times its weight. The weight alone does not tell
what a modality did to a voxel: an expert with half of the weight that says nothing there has no
part in what is decided.
"""

import torch
from torch import Tensor

from bundle.errors import SetupError
from bundle.tasks.contributions import Contributions
from bundle.tasks.task import Task

PARTS = "parts"
"""Key of what each modality adds to the logits, (M * R, H, W, D)."""


def chosen_contributions(name: str) -> Contributions:
    """Read a setting.

    Raises:
        SetupError: E_SETTING, there is no such choice.
    """
    if name not in list(Contributions):
        raise SetupError(
            "E_SETTING",
            f"contributions must be one of {', '.join(Contributions)}; got {name!r}. Choose one of"
            " them, in the setting or in SIMMLM_CONTRIBUTIONS.",
        )
    return Contributions(name)


def shares_of_voxels(parts: Tensor, kind: Contributions) -> Tensor:
    """Return the share of each modality in what is added up to the logits of a voxel.

    Args:
        parts: (M, R, ...) summands of the logits; 0 for absent modalities.
        kind: ``shares``: over all regions together; ``per_region``: in the logit of each region;
            ``signed``: the same, negative where the modality spoke against the region.

    Returns:
        (M, ...) or (M * R, ...) with modalities outermost. Magnitudes sum to 1 over modalities, and
        are 0 where all parts are.
    """
    sizes = parts.abs()
    if kind == Contributions.shares:
        sizes = sizes.sum(dim=1, keepdim=True)
    total = sizes.sum(dim=0, keepdim=True)
    shares = torch.where(total > 0, sizes / total, total.new_zeros(()))
    if kind == Contributions.signed:
        shares = shares * parts.sign()
    return shares.flatten(0, 1)


def decided_by(parts: Tensor, label: Tensor) -> Tensor:
    """Return which modality spoke most for what was decided about a voxel.

    It is the one that adds most, over the regions, towards the side on which the logit came to lie.

    Args:
        parts: (M, R, ...) summands of the logits.
        label: (...), 0 where nothing was found.

    Returns:
        (...) uint8, where the parts are: 1 and up, in the order of the modalities; 0 where nothing
        was found.
    """
    side = parts.sum(dim=0, keepdim=True).sign()
    support = (parts * side).sum(dim=1)
    first = support.argmax(dim=0).add_(1).to(torch.uint8)
    return torch.where(label.to(first.device) > 0, first, first.new_zeros(()))


def mean_shares(parts: Tensor, task: Task) -> dict[str, dict[str, float] | None]:
    """Return the share of each modality in the logit of a region, as mean over the voxels in it.

    Args:
        parts: (M, R, ...) summands of the logits.
        task: whose regions they are.

    Returns:
        Region to modality to share, 0 to 1, of those that are not 0 everywhere; None for a region
        that nothing is in.
    """
    means: dict[str, dict[str, float] | None] = {}
    inside = parts.sum(dim=0) > 0
    for r, region in enumerate(task.region_names):
        if not inside[r].any():
            means[region] = None
            continue
        shares = shares_of_voxels(parts[:, r : r + 1, inside[r]], Contributions.per_region)
        means[region] = {
            name: round(float(of_modality.mean()), 4)
            for name, of_modality in zip(task.modality_names, shares, strict=True)
            if of_modality.any()
        }
    return means
