"""Small experts of pictures and texts that need no weights from elsewhere, and what a gate takes of
a text.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from bundle.mixture.features import OUTPUT_BLOCK

N_FEATURES = 128
"""F, features of either expert before its output layer."""
GROUPS = 8
TEXT_SPREAD = 0.1


class Expert(nn.Module):
    """Features of one modality, and a linear layer that makes logits of them.

    Args:
        features: (B, ...) to (B, F).
        n_features: F.
        n_classes: C.
    """

    def __init__(self, features: nn.Module, n_features: int, n_classes: int) -> None:
        super().__init__()
        self.features = features
        setattr(self, OUTPUT_BLOCK, nn.Linear(n_features, n_classes))

    def forward(self, values: Tensor) -> Tensor:
        """Return logits (B, C); features (B, F) once the output layer is taken away."""
        said: Tensor = getattr(self, OUTPUT_BLOCK)(self.features(values))
        return said


class TokenMean(nn.Module):
    """The mean of what is learned for each number of a text; zeros for a text without any.

    Args:
        n_buckets: numbers are less; 0 is padding and has no say.
        width: F.
        dropout: share of the numbers that are left out in training, so that none is relied on.
    """

    def __init__(self, n_buckets: int, width: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.dropout = dropout
        self.embedding = nn.Embedding(n_buckets, width, padding_idx=0)
        with torch.no_grad():  # torch's own is ten times as wide, and was learned by heart
            self.embedding.weight.mul_(TEXT_SPREAD)

    def forward(self, tokens: Tensor) -> Tensor:
        """Average over the numbers of each text: (B, L) int64 to (B, F)."""
        used = tokens != 0
        if self.training and self.dropout > 0:
            used = used & (torch.rand(tokens.shape, device=tokens.device) >= self.dropout)
        there = used.unsqueeze(-1)
        summed = (self.embedding(tokens) * there).sum(dim=1)
        return summed / there.sum(dim=1).clamp(min=1)


class TextLayer(nn.Sequential):
    """A bag of words: the mean of embeddings, a linear layer, ReLU; (B, L) int64 to (B, F).

    Of an expert, and of a gate: Table A1 of the SimMLM supplement has no text, that part is ours.

    Args:
        n_buckets: see `TokenMean`.
        width: F, and that of the embeddings.
        dropout: see `TokenMean`.
    """

    def __init__(self, n_buckets: int, width: int = N_FEATURES, dropout: float = 0.0) -> None:
        tokens = TokenMean(n_buckets, width, dropout)
        super().__init__(tokens, nn.Linear(width, width), nn.ReLU())


class PictureLayers(nn.Sequential):
    """A CNN of a few layers: (B, 3, S, S) to (B, F).

    Each layer is a 3 x 3 convolution, a norm over groups of channels of one case, ReLU and the
    maximum of 2 x 2 pixels; then the mean over what is left of the picture, so that S may be any
    from 2 to the number of layers on.

    Args:
        filters: channels of each layer, multiples of 8; the last is F.
        dropout: share of the features that are left out in training.
    """

    def __init__(self, filters: Sequence[int], dropout: float = 0.0) -> None:
        layers = [_layer(*pair) for pair in pairwise((3, *filters))]
        super().__init__(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(dropout))


def image_expert(
    n_classes: int, *, filters: Sequence[int] = (16, 32, 64, N_FEATURES), dropout: float = 0.0
) -> Expert:
    """Build a small expert of pictures, see `PictureLayers`: (B, 3, S, S) to logits (B, C)."""
    return Expert(PictureLayers(filters, dropout), filters[-1], n_classes)


def text_expert(n_classes: int, *, n_buckets: int, dropout: float = 0.0) -> Expert:
    """Build a small expert of texts, see `TextLayer`: (B, L) int64 to logits (B, C)."""
    return Expert(TextLayer(n_buckets, N_FEATURES, dropout), N_FEATURES, n_classes)


def _layer(n_in: int, n_out: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(n_in, n_out, 3, padding=1, bias=False),
        nn.GroupNorm(GROUPS, n_out),
        nn.ReLU(),
        nn.MaxPool2d(2),
    )
