"""The mixture itself: pure functions of tensors that turn scores and presence into one prediction."""

import math

import torch
from torch import Tensor


def derive_presence(image: Tensor) -> Tensor:
    """Find the acquired modalities of whole volumes: a channel that is zero everywhere is absent.

    Only for callers that have nothing but an image. Never call it on windows: a background window of
    an acquired modality is zero too.

    Args:
        image: (B, M, H, W, D), absent modalities are 0.

    Returns:
        (B, M) bool on the CPU, where it steers which experts run without a device sync per window.
    """
    return (image != 0).flatten(2).any(dim=2).cpu()


def mixing_weights(scores: Tensor, presence: Tensor) -> Tensor:
    """Softmax over the present modalities; absent ones get exactly 0.

    Args:
        scores: (B, M, R), unbounded; those of absent modalities are never read.
        presence: (B, M) bool.

    Returns:
        (B, M, R), summing to 1 over M. A case without any modality gets all zeros rather than NaN.

    Source: Li et al., SimMLM, arXiv:2507.19264, softmax with -inf where a modality is missing.
    """
    present = presence.to(scores.device).unsqueeze(-1)
    scores = scores.float().masked_fill(~present, torch.finfo(torch.float32).min)
    return torch.softmax(scores, dim=1) * present


def uniform_weights(presence: Tensor, n_regions: int) -> Tensor:
    """Give every present modality the same weight: (B, M) bool to (B, M, R), summing to 1 over M."""
    share = presence.float() / presence.sum(dim=1, keepdim=True).clamp(min=1)
    return share.unsqueeze(-1).expand(-1, -1, n_regions)


def weighted_sum(maps: Tensor, weights: Tensor, presence: Tensor) -> Tensor:
    """Sum maps over modalities without ever reading those of absent ones, which may be NaN.

    Args:
        maps: (B, M, R, H, W, D).
        weights: (B, M, R).
        presence: (B, M) bool.

    Returns:
        (B, R, H, W, D) float32.
    """
    present, shares = presence.cpu(), weights.to(maps.device)[..., None, None, None]
    total = torch.zeros_like(maps[:, 0], dtype=torch.float32)
    for m in range(maps.shape[1]):
        if present[:, m].any():
            keep = presence[:, m, None, None, None, None].to(maps.device)
            part = maps[:, m].float()
            total = total + shares[:, m] * (part if present[:, m].all() else torch.where(keep, part, 0.0))
    return total


def hide_absent(image: Tensor, presence: Tensor) -> Tensor:
    """Set the channels of absent modalities to 0, whatever they hold: (B, M, H, W, D) to the same shape."""
    return torch.where(presence.to(image.device)[:, :, None, None, None], image, 0.0)


def binary_entropy(probabilities: Tensor) -> Tensor:
    """Entropy of yes-or-no decisions in bits, 0 (sure) to 1 (even odds), elementwise."""
    p = probabilities.clamp(0.0, 1.0)
    return (0.0 - torch.xlogy(p, p) - torch.xlogy(1 - p, 1 - p)) / math.log(2.0)
