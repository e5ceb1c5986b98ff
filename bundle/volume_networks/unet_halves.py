"""The two halves of a DynUNet, for networks that do something between them."""

from collections.abc import Sequence

from monai.networks.nets import DynUNet
from torch import Tensor, nn


class UNetEncoder(nn.Module):
    """The way down of a DynUNet: feature maps of every level.

    Args:
        unet: gives away its layers; what belongs to the way up is dropped.

    Attributes:
        filters: channels of the levels, finest first.
        strides: of the levels; their product is the voxels' size at the deepest one.
    """

    def __init__(self, unet: DynUNet) -> None:
        super().__init__()
        self.filters: Sequence[int] = unet.filters
        self.strides: Sequence[int | Sequence[int]] = unet.strides
        self.layers = nn.ModuleList([unet.input_block, *unet.downsamples, unet.bottleneck])

    def forward(self, image: Tensor) -> list[Tensor]:
        """Turn (B, C, H, W, D) into feature maps (B, F, h, w, d), finest level first."""
        levels = [image]
        for layer in self.layers:
            levels.append(layer(levels[-1]))
        return levels[1:]


class UNetDecoder(nn.Module):
    """The way up of a DynUNet without deep supervision: what ``UNetEncoder`` gives becomes logits.

    Args:
        unet: gives away its layers; what belongs to the way down is dropped.
    """

    def __init__(self, unet: DynUNet) -> None:
        super().__init__()
        self.upsamples = unet.upsamples
        self.output_block = unet.output_block

    def forward(self, levels: Sequence[Tensor]) -> Tensor:
        """Turn feature maps (B, F, h, w, d), finest level first, into logits (B, R, H, W, D)."""
        *skips, features = levels
        for upsample, skip in zip(self.upsamples, reversed(skips), strict=True):
            features = upsample(features, skip)
        logits: Tensor = self.output_block(features)
        return logits
