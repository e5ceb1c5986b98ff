"""Experts and head of the mixture that mixes feature maps instead of logits."""

from typing import Any

from monai.networks.blocks import Convolution
from monai.networks.blocks.dynunet_block import UnetOutBlock
from monai.networks.nets import DynUNet
from torch import Tensor, nn

OUTPUT_BLOCK = "output_block"
"""Name of the layer of a DynUNet that makes logits of its last feature maps."""


def feature_expert(**options: Any) -> DynUNet:
    """Build a DynUNet without its output layer: (B, 1, H, W, D) to feature maps (B, filters[0], H,
    W, D).

    All other weights have the names that they have in the whole network, so that an expert of stage
    1 fits.

    Args:
        options: as MONAI's ``DynUNet``; ``out_channels`` is asked for by it and has no effect.
    """
    network = DynUNet(**options)
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

    def forward(self, features: Tensor) -> Tensor:
        """Turn features (B, F, H, W, D) into logits (B, R, H, W, D)."""
        logits: Tensor = self.output(self.block(features))
        return logits
