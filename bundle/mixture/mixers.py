"""Mixers: ways to make one prediction of what the experts say."""

import torch
from torch import Tensor, nn

from bundle.mixture.mixing import (
    mixing_weights,
    on_device,
    uniform_weights,
    weighted_parts,
    weighted_sum,
    with_axes_of,
)
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
            scores: (B, M, R), unbounded; larger means more trusted. Or (B, M, 1), to trust a
                modality alike in all R, as in all classes.
            presence: (B, M), bool, at least one True per row.

        Returns:
            Logits (B, R, ...) and weights of the scores' shape. Regions overlap: apply a sigmoid,
            not a softmax; to exclusive classes a softmax.
        """
        weights = mixing_weights(scores, presence)
        return Mixture(weighted_sum(expert_logits, weights, presence), weights)

    def parts(self, expert_logits: Tensor, weights: Tensor, presence: Tensor) -> Tensor:
        """Return what each modality adds to the logits, (B, M, R, ...) float32.

        Args:
            expert_logits: as ``forward``.
            weights: which that gave.
            presence: as there.
        """
        return weighted_parts(expert_logits, weights, presence)


class ProbabilityMixer(nn.Module):
    """Average expert probabilities instead of logits (supplement, Table A3).

    Args:
        exclusive: R are exclusive classes, whose probabilities a softmax gives; else they overlap,
            and each has a sigmoid of its own.
    """

    def __init__(self, exclusive: bool = False) -> None:
        super().__init__()
        self.exclusive = exclusive

    def forward(self, expert_logits: Tensor, scores: Tensor, presence: Tensor) -> Mixture:
        """Return the logits of the mixed probabilities, so that losses and maps need not know the
        mixer; arguments as ``LogitMixer``.

        Those of exclusive classes are the logarithms of their probabilities.
        """
        weights = mixing_weights(scores, presence)
        if self.exclusive:
            mixed = weighted_sum(torch.softmax(expert_logits.float(), dim=2), weights, presence)
            smallest = 1.1754943508222875e-38  # of float32; TorchScript has no torch.finfo
            return Mixture(torch.log(mixed.clamp(min=smallest)), weights)
        mixed = weighted_sum(torch.sigmoid(expert_logits.float()), weights, presence)
        return Mixture(torch.logit(mixed, eps=1e-6), weights)


class StaticMixer(nn.Module):
    """Average expert logits with equal weights, ignoring the scores (supplement, Table A2)."""

    def forward(self, expert_logits: Tensor, scores: Tensor, presence: Tensor) -> Mixture:
        """Arguments and results as ``LogitMixer``; ``scores`` gives only the number of regions."""
        weights = on_device(uniform_weights(presence, scores.shape[-1]), expert_logits)
        return Mixture(weighted_sum(expert_logits, weights, presence), weights)

    def parts(self, expert_logits: Tensor, weights: Tensor, presence: Tensor) -> Tensor:
        """Return what each modality adds to the logits, as ``LogitMixer.parts``."""
        return weighted_parts(expert_logits, weights, presence)


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


class SumMixer(nn.Module):
    """Add up what another mixer averages: its logits times the number of present modalities.

    For modalities that are independent given the class, and classes that are equally frequent,
    Bayes' rule adds their log-likelihoods: with equal weights the result is the sum of the experts'
    logits. An average divides the evidence by the number of modalities, so that a prediction gets
    less sure when a weaker modality joins. This is ours, not the paper's.

    Args:
        mixer: whose weights sum to 1 over the present modalities. They are given on as they are.
    """

    def __init__(self, mixer: nn.Module) -> None:
        super().__init__()
        self.mixer = mixer

    def forward(self, expert_logits: Tensor, scores: Tensor, presence: Tensor) -> Mixture:
        """Arguments and results as those of the other mixer."""
        mixture: Mixture = self.mixer(expert_logits, scores, presence)
        n_present = on_device(presence.sum(dim=1), mixture.logits)
        return Mixture(mixture.logits * with_axes_of(n_present, mixture.logits), mixture.weights)

    def parts(self, expert_logits: Tensor, weights: Tensor, presence: Tensor) -> Tensor:
        """Return what each modality adds to the logits, as ``LogitMixer.parts``."""
        parts: Tensor = self.mixer.parts(expert_logits, weights, presence)  # type: ignore[operator]
        return parts * with_axes_of(on_device(presence.sum(dim=1), parts), parts)


def adds_logits(mixer: nn.Module) -> bool:
    """Whether the logits of a mixer are sums of what it makes of each expert's, see ``parts``."""
    return hasattr(mixer.mixer if isinstance(mixer, SumMixer) else mixer, "parts")
