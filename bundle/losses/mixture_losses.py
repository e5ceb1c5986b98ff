"""Losses of the two training stages, built on a task loss that gives one value per case and region."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

TaskLoss = Callable[[Tensor, Tensor], Tensor]


class ExpertsLoss(nn.Module):
    """Stage 1: the sum of the experts' own task losses.

    A sum of terms that share no parameter: every expert is trained exactly as if it were alone.
    """

    def __init__(self, task_loss: TaskLoss) -> None:
        super().__init__()
        self.task_loss = task_loss

    def forward(self, pred: tuple[Tensor, Tensor], target: Tensor) -> Tensor:
        """Add up the losses of the experts whose modality is present.

        Args:
            pred: expert logits (B, M, R, H, W, D) and presence (B, M) bool.
            target: (B, R, H, W, D), 0 or 1.

        Returns:
            A scalar; each expert contributes the mean over the cases that have its modality.
        """
        expert_logits, presence = pred
        presence = presence.cpu()
        terms = [
            self.task_loss(expert_logits[presence[:, m], m], target[presence[:, m]]).mean()
            for m in range(expert_logits.shape[1])
            if presence[:, m].any()
        ]
        return torch.stack(terms).sum()


class MoFeLoss(nn.Module):
    """Stage 2: the task loss of both modality sets, and a hinge where more modalities do worse than fewer.

    Both predictions must come from the same crop of the same case, or the hinge compares crops.

    Args:
        task_loss: (logits, target) to (B, R).
        weight: lambda, the weight of the hinge.

    Source: Li et al., SimMLM, arXiv:2507.19264, More-vs-Fewer ranking loss:
        l(o+, y) + l(o-, y) + lambda * max(0, l(o+, y) - l(o-, y)).
    """

    def __init__(self, task_loss: TaskLoss, weight: float = 0.1) -> None:
        super().__init__()
        self.task_loss = task_loss
        self.weight = weight

    def forward(self, pred: tuple[Tensor, Tensor], target: Tensor) -> Tensor:
        """Compute the loss of a batch.

        Args:
            pred: logits of the larger and of the smaller modality set, each (B, R, H, W, D).
            target: (B, R, H, W, D), 0 or 1.

        Returns:
            A scalar, the mean over cases. The hinge is taken per case, on the mean over regions.
        """
        more, fewer = (self.task_loss(logits, target).mean(dim=1) for logits in pred)
        return (more + fewer + self.weight * torch.relu(more - fewer)).mean()
