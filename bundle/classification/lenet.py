"""LeNet-5, an expert of small pictures, and what a gate takes from them."""

import torch
from torch import Tensor, nn
from torch.nn.functional import max_pool2d

N_FEATURES = 84
"""F, features of LeNet-5 before its output layer."""


class LeNet(nn.Module):
    """LeNet-5 with ReLU and max pooling: (B, 1, H, H) to logits (B, C).

    Its output layer is called ``output_block``, as that of the other experts.

    Args:
        size: H, pixels; 28 of MNIST, 20 of a sound's cepstral coefficients.
        n_classes: C.

    Source: LeCun, Bottou, Bengio, Haffner: Gradient-based learning applied to document recognition,
        Proc. IEEE 1998; as expert of avMNIST in Li et al., SimMLM, arXiv:2507.19264.
    """

    KERNEL, PADDING = 5, 2

    def __init__(self, size: int, n_classes: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, 6, self.KERNEL, padding=self.PADDING)
        self.second = nn.Conv2d(6, 16, self.KERNEL)
        side = (size // 2 - self.KERNEL + 1) // 2
        self.third = nn.Linear(16 * side**2, 120)
        self.fourth = nn.Linear(120, N_FEATURES)
        self.output_block: nn.Module = nn.Linear(N_FEATURES, n_classes)

    def forward(self, picture: Tensor) -> Tensor:
        """Score the classes."""
        maps = max_pool2d(torch.relu(self.first(picture)), 2)
        maps = max_pool2d(torch.relu(self.second(maps)), 2)
        features = torch.relu(self.fourth(torch.relu(self.third(maps.flatten(1)))))
        scores: Tensor = self.output_block(features)
        return scores


class TwoLayerCNN(nn.Sequential):
    """Two strided convolutions pooled to 128 features: (B, C, H, W) to (B, 128).

    Source: Li et al., SimMLM, Table A1 of the supplement: 2-layer CNNs (2D), 128 features each.
    """

    N_FEATURES = 128

    def __init__(self, in_channels: int = 1) -> None:
        super().__init__(
            nn.Conv2d(in_channels, 16, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(16, 32, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(2),
            nn.Flatten(),
        )


class VectorLayer(nn.Sequential):
    """A linear layer and ReLU: (B, n_in) to (B, n_out)."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__(nn.Linear(n_in, n_out), nn.ReLU())


class FeatureHead(nn.Sequential):
    """Makes logits of mixed features: a linear layer, ReLU, a linear layer.

    Not linear on purpose: a linear layer gives the same whether features are mixed before it or
    logits after it.

    Args:
        n_features: F.
        n_classes: C.
        n_hidden: features between both layers; left out, 84.
    """

    def __init__(self, n_features: int, n_classes: int, n_hidden: int = N_FEATURES) -> None:
        super().__init__(nn.Linear(n_features, n_hidden), nn.ReLU(), nn.Linear(n_hidden, n_classes))
