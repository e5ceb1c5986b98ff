"""Mixers: ways to make one prediction of what the experts say."""

import torch
from torch import Tensor, nn

from bundle.mixture.mixing import mixing_weights, on_device, uniform_weights, weighted_sum
from bundle.mixture.mixture import Mixture


class LogitMixer(nn.Module):
    """Average expert logits with softmax weights, leaving absent modalities out.

    An absent modality gets weight exactly 0 and the other weights still sum to 1, so the scale of
    the logits does not depend on how many modalities a case happens to have.

    Source: Li et al., SimMLM, arXiv:2507.19264, the DMoME architecture.
    """

    def forward(self, expert_logits: Tensor, scores: Tensor, presence: Tensor) -> Mixture:
        """Mix the experts' logits into one prediction.

        Args:
            expert_logits: (B, M, R, ...). Entries of absent modalities are never read, they may be
                NaN.
            scores: (B, M, R), unbounded; larger means more trusted.
            presence: (B, M), bool, at least one True per row.

        Returns:
            Logits (B, R, ...) and weights (B, M, R). Regions overlap: apply a sigmoid, not a
            softmax.
        """
        weights = mixing_weights(scores, presence)
        return Mixture(weighted_sum(expert_logits, weights, presence), weights)


class ProbabilityMixer(nn.Module):
    """Average expert probabilities instead of logits (supplement, Table A3).

    Probabilities of overlapping regions or classes, each by a sigmoid; of exclusive classes they
    would be others.
    """

    def forward(self, expert_logits: Tensor, scores: Tensor, presence: Tensor) -> Mixture:
        """Return the logits of the mixed probabilities, so that losses and maps need not know the
        mixer; arguments as ``LogitMixer``.
        """
        weights = mixing_weights(scores, presence)
        mixed = weighted_sum(torch.sigmoid(expert_logits.float()), weights, presence)
        return Mixture(torch.logit(mixed, eps=1e-6), weights)


class StaticMixer(nn.Module):
    """Average expert logits with equal weights, ignoring the scores (supplement, Table A2)."""

    def forward(self, expert_logits: Tensor, scores: Tensor, presence: Tensor) -> Mixture:
        """Arguments and results as ``LogitMixer``; ``scores`` gives only the number of regions."""
        weights = on_device(uniform_weights(presence, scores.shape[-1]), expert_logits)
        return Mixture(weighted_sum(expert_logits, weights, presence), weights)


class FeatureMixer(nn.Module):
    """Average the experts' last feature maps, then make logits of the mixture (supplement, Table
    A3).

    The gate gives one score per modality (its ``n_regions`` is 1): features belong to no region.

    Args:
        head: (B, F, ...) features to (B, R, ...) logits, shared by all modalities. Not linear:
            otherwise it commutes with mixing and reduces to a logit mixture.
    """

    def __init__(self, head: nn.Module) -> None:
        super().__init__()
        self.head = head

    def forward(self, expert_features: Tensor, scores: Tensor, presence: Tensor) -> Mixture:
        """Mix the experts' features into one prediction.

        Args:
            expert_features: (B, M, F, ...). Entries of absent modalities are never read, they may
                be NaN.
            scores: (B, M, 1), unbounded.
            presence: (B, M) bool, at least one True per row.

        Returns:
            Logits (B, R, ...) and weights (B, M, R), the same for all regions.
        """
        weights = mixing_weights(scores, presence)
        logits: Tensor = self.head(weighted_sum(expert_features, weights, presence)).float()
        return Mixture(logits, weights.expand(-1, -1, logits.shape[1]))
