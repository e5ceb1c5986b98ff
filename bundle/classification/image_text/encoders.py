"""Small experts for pictures and texts that need no weights from elsewhere, and their gate."""

from collections.abc import Sequence

from torch import Tensor, nn

from bundle.classification.modality_gate import ModalityGate
from bundle.mixture.experts import OUTPUT_BLOCK

GROUPS = 8


class Expert(nn.Module):
    """Features of one modality, and a linear layer that makes logits of them.

    Args:
        features: (B, ...) to (B, F).
        n_features: F.
        n_classes: C; None for an expert that returns its features. All other weights have the same
            names in both, so that an expert of stage 1 fits.
    """

    def __init__(self, features: nn.Module, n_features: int, n_classes: int | None) -> None:
        super().__init__()
        self.features = features
        output = nn.Identity() if n_classes is None else nn.Linear(n_features, n_classes)
        setattr(self, OUTPUT_BLOCK, output)

    def forward(self, values: Tensor) -> Tensor:
        """Return logits (B, C), or features (B, F)."""
        said: Tensor = getattr(self, OUTPUT_BLOCK)(self.features(values))
        return said


class TokenMean(nn.Module):
    """The mean of what is learned for each number of a text.

    A text without any gives zeros.

    Args:
        n_buckets: numbers are less; 0 is padding and has no say.
        width: F.
    """

    def __init__(self, n_buckets: int, width: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(n_buckets, width, padding_idx=0)

    def forward(self, tokens: Tensor) -> Tensor:
        """Average over the numbers of each text: (B, L) int64 to (B, F)."""
        there = (tokens != 0).unsqueeze(-1)
        summed = (self.embedding(tokens) * there).sum(dim=1)
        return summed / there.sum(dim=1).clamp(min=1)


def image_expert(n_classes: int | None, *, filters: Sequence[int] = (32, 64, 128, 128)) -> Expert:
    """Build a CNN of a few layers: (B, 3, S, S) to logits (B, C).

    Each layer is a 3 x 3 convolution, a norm over groups of channels of one case, ReLU and the
    maximum of 2 x 2 pixels; then the mean over what is left of the picture.

    Args:
        n_classes: C; None for features (B, ``filters[-1]``) instead.
        filters: channels of each layer, multiples of 8; S is at least 2 to the number of layers.
    """
    channels = (3, *filters)
    layers = [_layer(*pair) for pair in zip(channels, channels[1:], strict=False)]
    features = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return Expert(features, filters[-1], n_classes)


def text_expert(n_classes: int | None, *, n_buckets: int = 2**14, width: int = 128) -> Expert:
    """Build a bag of words: (B, L) int64 to logits (B, C).

    Args:
        n_classes: C; None for features (B, ``width``) instead.
        n_buckets: that of `HashedNgrams`.
        width: of the embedding and of the layer after it.
    """
    features = nn.Sequential(TokenMean(n_buckets, width), nn.Linear(width, width), nn.ReLU())
    return Expert(features, width, n_classes)


def image_text_gate(n_buckets: int = 2**14, *, n_features: int = 128) -> ModalityGate:
    """Build the gate for both: of the picture a 2-layer CNN, of the text a mean of embeddings.

    Args:
        n_buckets: that of the numbers of texts.
        n_features: of each modality, a multiple of 4.

    Source: Li et al., SimMLM, Table A1 of the supplement; it has no text, so that part is ours.
    """
    text = nn.Sequential(TokenMean(n_buckets, n_features), nn.Linear(n_features, n_features))
    return ModalityGate({"image": _two_layers(n_features), "text": text}, n_features)


def _two_layers(n_features: int) -> nn.Sequential:
    """Two strided convolutions and a mean over each quarter: (B, 3, S, S) to (B, n_features)."""
    channels = n_features // 4
    return nn.Sequential(
        nn.Conv2d(3, channels, 5, stride=2, padding=2),
        nn.InstanceNorm2d(channels),
        nn.ReLU(),
        nn.Conv2d(channels, channels, 5, stride=2, padding=2),
        nn.InstanceNorm2d(channels),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
    )


def _layer(n_in: int, n_out: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(n_in, n_out, 3, padding=1, bias=False),
        nn.GroupNorm(GROUPS, n_out),
        nn.ReLU(),
        nn.MaxPool2d(2),
    )
