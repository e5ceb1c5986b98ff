"""The gate: a small 3D CNN that says how much each modality is trusted for each region."""

import torch
from torch import Tensor, nn

from bundle.mixture.mixing import records_graph


class GateCNN(nn.Module):
    """Five strided convolutions, pooling to 4 x 4 x 4, one linear layer.

    At 128 x 128 x 128 the feature map already is 4 x 4 x 4, so the pooling does nothing and the
    gate equals the paper's; at other windows of at least 64 voxels a side it keeps working.

    Args:
        n_modalities: M, channels of the image and of every convolution.
        n_regions: R, decisions that get weights of their own.

    Source: Li et al., SimMLM, Table A1 of the supplement: 5-layer 3D CNN, 256 features, linear to M
    x R.
    """

    N_LAYERS = 5
    TOTAL_STRIDE = 2**N_LAYERS
    POOLED = 4

    def __init__(self, n_modalities: int, n_regions: int) -> None:
        super().__init__()
        self.n_modalities = n_modalities
        self.n_regions = n_regions
        self.features = nn.Sequential(*(_layer(n_modalities) for _ in range(self.N_LAYERS)))
        self.pool = nn.AdaptiveAvgPool3d(self.POOLED)
        self.linear = nn.Linear(n_modalities * self.POOLED**3, n_modalities * n_regions)

    def forward(self, image: Tensor) -> Tensor:
        """Score the modalities of a window.

        Args:
            image: (B, M, H, W, D), absent modalities are 0; at least 64 voxels a side.

        Returns:
            (B, M, R) scores, unbounded; larger means more trusted.
        """
        features = self.features(image)
        if not torch.jit.is_scripting() and records_graph():
            pooled = _pool_by_slices(features, self.POOLED)
        else:
            pooled = self.pool(features)
        scores: Tensor = self.linear(pooled.flatten(1))
        return scores.reshape(image.shape[0], self.n_modalities, self.n_regions)


def _pool_by_slices(features: Tensor, size: int) -> Tensor:
    """Do what ``AdaptiveAvgPool3d`` does, which ONNX lacks: (B, C, h, w, d) to (B, C, size, size,
    size).
    """
    for dim in (2, 3, 4):
        n = features.shape[dim]
        bounds = [(i * n // size, ((i + 1) * n + size - 1) // size) for i in range(size)]
        slices = [
            features.narrow(dim, start, end - start).mean(dim, keepdim=True)
            for start, end in bounds
        ]
        features = torch.cat(slices, dim)
    return features


def _layer(channels: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv3d(channels, channels, kernel_size=3, stride=2, padding=1),
        nn.InstanceNorm3d(channels),
        nn.ReLU(),
    )
