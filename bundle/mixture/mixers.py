"""Mixers: ways to make one prediction of what the experts say."""

import torch
from torch import Tensor, nn

from bundle.mixture.mixing import mixing_weights, uniform_weights, weighted_sum


class LogitMixer(nn.Module):
    """Average expert logits with softmax weights, leaving absent modalities out.

    An absent modality gets weight exactly 0 and the other weights still sum to 1, so the scale of
    the logits does not depend on how many modalities a case happens to have.

    Source: Li et al., SimMLM, arXiv:2507.19264, the DMoME architecture.
    """

    def forward(
        self, expert_logits: Tensor, scores: Tensor, presence: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Mix the experts' logits into one prediction.

        Args:
            expert_logits: (B, M, R, H, W, D). Entries of absent modalities are never read, they may
                be NaN.
            scores: (B, M, R), unbounded; larger means more trusted.
            presence: (B, M), bool, at least one True per row.

        Returns:
            Logits (B, R, H, W, D) and weights (B, M, R). Regions overlap: apply a sigmoid, not a
            softmax.
        """
        weights = mixing_weights(scores, presence)
        return weighted_sum(expert_logits, weights, presence), weights


class ProbabilityMixer(nn.Module):
    """Average expert probabilities instead of logits (supplement, Table A3); arguments as
    ``LogitMixer``.
    """

    def forward(
        self, expert_logits: Tensor, scores: Tensor, presence: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return the logits of the mixed probabilities, so that losses and maps need not know the
        mixer.
        """
        weights = mixing_weights(scores, presence)
        mixed = weighted_sum(torch.sigmoid(expert_logits.float()), weights, presence)
        return torch.logit(mixed, eps=1e-6), weights


class StaticMixer(nn.Module):
    """Average expert logits with equal weights, ignoring the scores (supplement, Table A2)."""

    def forward(
        self, expert_logits: Tensor, scores: Tensor, presence: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Arguments and results as ``LogitMixer``; ``scores`` gives only the number of regions."""
        weights = uniform_weights(presence, scores.shape[-1]).to(
            expert_logits.device, non_blocking=True
        )
        return weighted_sum(expert_logits, weights, presence), weights


class FeatureMixer(nn.Module):
    """Average the experts' last feature maps, then make logits of the mixture (supplement, Table
    A3).

    The gate gives one score per modality (its ``n_regions`` is 1): features belong to no region.

    Args:
        head: (B, F, H, W, D) features to (B, R, H, W, D) logits, shared by all modalities. Not
            linear, or it would commute with the mixing and this were a mixture of logits.
    """

    def __init__(self, head: nn.Module) -> None:
        super().__init__()
        self.head = head

    def forward(
        self, expert_features: Tensor, scores: Tensor, presence: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Mix the experts' features into one prediction.

        Args:
            expert_features: (B, M, F, H, W, D). Entries of absent modalities are never read, they
                may be NaN.
            scores: (B, M, 1), unbounded.
            presence: (B, M) bool, at least one True per row.

        Returns:
            Logits (B, R, H, W, D) and weights (B, M, R), the same for all regions.
        """
        weights = mixing_weights(scores, presence)
        logits: Tensor = self.head(weighted_sum(expert_features, weights, presence)).float()
        return logits, weights.expand(-1, -1, logits.shape[1])
