"""Gates that read what the experts say of exclusive classes, instead of what they read.

They are ours, not the paper's; ``DMoME`` gives them the experts' logits if its ``gate_reads`` is
``experts``. Their gradient reaches the experts too.
"""

import torch
from torch import Tensor, nn

from bundle.mixture.mixing import on_device, with_axes_of


class EntropyGate(nn.Module):
    """Trusts a modality the more, the surer its expert is.

    The score of a modality is -a H + b with the entropy H of its expert's probabilities, in nats; a
    and b are learned for each modality and start at 1 and 0.

    Args:
        n_modalities: M.
        n_scores: R, decisions that get weights of their own; 1 weighs all classes alike.
    """

    wants_presence = True

    def __init__(self, n_modalities: int, n_scores: int = 1) -> None:
        super().__init__()
        self.slope = nn.Parameter(torch.ones(n_modalities, n_scores))
        self.offset = nn.Parameter(torch.zeros(n_modalities, n_scores))

    def forward(self, logits: Tensor, presence: Tensor) -> Tensor:  # noqa: ARG002
        """Score the modalities.

        Args:
            logits: (B, M, C) of exclusive classes.
            presence: (B, M) bool; not read, since no score depends on another modality.

        Returns:
            (B, M, R) scores; those of absent modalities mean nothing.
        """
        known = torch.log_softmax(logits.float(), dim=2)
        entropy = -(known.exp() * known).sum(dim=2, keepdim=True)
        return self.offset - self.slope * entropy


class LogitGate(nn.Module):
    """Scores every modality from what all experts say: two linear layers and a ReLU.

    Args:
        n_modalities: M.
        n_classes: C.
        n_hidden: features between both layers.
        n_scores: R, decisions that get weights of their own; 1 weighs all classes alike.
    """

    wants_presence = True

    def __init__(
        self, n_modalities: int, n_classes: int, n_hidden: int = 32, n_scores: int = 1
    ) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(n_modalities * (n_classes + 1), n_hidden),
            nn.ReLU(),
            nn.Linear(n_hidden, n_modalities * n_scores),
            nn.Unflatten(1, (n_modalities, n_scores)),
        )

    def forward(self, logits: Tensor, presence: Tensor) -> Tensor:
        """Score the modalities.

        Args:
            logits: (B, M, C) of exclusive classes; those of absent modalities have no say.
            presence: (B, M) bool.

        Returns:
            (B, M, R) scores.
        """
        flags = with_axes_of(on_device(presence, logits), logits)
        known = torch.where(flags, torch.log_softmax(logits.float(), dim=2), 0.0)
        scores: Tensor = self.layers(torch.cat([known, flags.float()], dim=2).flatten(1))
        return scores
