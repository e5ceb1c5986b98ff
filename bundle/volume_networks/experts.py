"""The U-Net of an expert, and the expert and the head that mix feature maps instead of logits."""

from collections.abc import Sequence
from typing import Any

from monai.networks.blocks import Convolution
from monai.networks.blocks.dynunet_block import UnetOutBlock
from monai.networks.nets import DynUNet
from torch import Tensor, nn

from bundle.mixture.features import OUTPUT_BLOCK
from bundle.volume_networks.channels_last import in_channels_last


def unet(
    *, filters: Sequence[int], out_channels: int, in_channels: int = 1, **options: Any
) -> DynUNet:
    """Build the U-Net of an expert: (B, 1, H, W, D) to logits (B, R, H, W, D).

    Every level but the first halves the size; kernels have 3 voxels a side, norms are of instances.

    Args:
        filters: feature maps of each level.
        out_channels: R.
        in_channels: 1, or M for one network that sees all modalities.
        options: of MONAI's ``DynUNet``, instead of these.
    """
    n_levels = len(filters)
    usual: dict[str, Any] = {
        "spatial_dims": 3,
        "kernel_size": [3] * n_levels,
        "strides": [1] + [2] * (n_levels - 1),
        "upsample_kernel_size": [2] * (n_levels - 1),
        "norm_name": ("instance", {"affine": True}),
        "deep_supervision": False,
    }
    sizes = {"in_channels": in_channels, "out_channels": out_channels, "filters": filters}
    network = DynUNet(**{**usual, **sizes, **options})
    in_channels_last(network)
    return network


def feature_expert(**options: Any) -> DynUNet:
    """Build the U-Net without its output layer: (B, 1, H, W, D) to feature maps (B, filters[0], H,
    W, D).

    All other weights have the names that they have in the whole network, so that an expert of stage
    1 fits.

    Args:
        options: as ``unet``; ``out_channels`` is asked for by it and has no effect.
    """
    network = unet(**options)
    setattr(network, OUTPUT_BLOCK, nn.Identity())
    return network


class FeatureHead(nn.Module):
    """Makes logits of mixed feature maps: a normalised 3 x 3 x 3 convolution, LeakyReLU, a linear
    layer.

    Not linear on purpose: a linear layer gives the same whether features are mixed before it or
    logits after it, and the ablation would be vacuous.

    Args:
        n_features: F, channels of the feature maps; ``filters[0]`` of the experts.
        n_regions: R.
        n_hidden: channels between both layers; left out, as many as come in.
    """

    def __init__(self, n_features: int, n_regions: int, n_hidden: int | None = None) -> None:
        super().__init__()
        n_hidden = n_hidden or n_features
        self.block = Convolution(
            3,
            n_features,
            n_hidden,
            norm=("instance", {"affine": True}),
            act=("leakyrelu", {"inplace": True, "negative_slope": 0.01}),
            bias=False,
        )
        self.output = UnetOutBlock(3, n_hidden, n_regions)
        in_channels_last(self)

    def forward(self, features: Tensor) -> Tensor:
        """Turn features (B, F, H, W, D) into logits (B, R, H, W, D)."""
        logits: Tensor = self.output(self.block(features))
        return logits
