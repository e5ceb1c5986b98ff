"""HD-BET's network: which voxels of a head are brain.

It is the U-Net of residual context modules and localization modules that its authors first drew
for tumours. MONAI has no network of this layout: ``SegResNet`` has residual blocks of the same
kind, but adds its skips instead of joining them, and nothing like the localization modules, so the
weights would find no place there.

Source: Isensee et al., Automated brain extraction of multisequence MRI using artificial neural
networks, Human Brain Mapping 2019, doi:10.1002/hbm.24750; layout after
https://github.com/MIC-DKFZ/HD-BET, ``network_architecture.py`` (Apache-2.0). Layers have the names
that the published weights give them.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, leaky_relu

WIDTH = 21
"""Channels at full resolution; they double with each of the levels."""

LEVELS = 5
MULTIPLE = 2 ** (LEVELS - 1)
"""Each axis of an input must be a multiple of it."""

_SLOPE = 0.01
_SLOPE_AT_THE_ENDS = 0.1


class HDBetNetwork(nn.Module):
    """Scores brain against everything else in a head of 1.5 mm voxels, RAS, any contrast.

    Normalisation takes its statistics from the volume itself, never from training.
    """

    def __init__(self, width: int = WIDTH) -> None:
        super().__init__()
        wide = [width * 2**level for level in range(LEVELS)]
        self.init_conv = _convolution(1, width)
        self.context1, self.down1 = _Context(wide[0]), _Down(wide[0])
        self.context2, self.down2 = _Context(wide[1]), _Down(wide[1])
        self.context3, self.down3 = _Context(wide[2]), _Down(wide[2])
        self.context4, self.down4 = _Context(wide[3]), _Down(wide[3])
        self.context5 = _Context(wide[4])
        self.bn_after_context5 = _norm(wide[4])
        self.up1, self.loc1 = _Up(wide[4]), _Localization(wide[4])
        self.up2, self.loc2 = _Up(wide[3]), _Localization(wide[3])
        self.up3, self.loc3 = _Up(wide[2]), _Localization(wide[2])
        self.up4 = _Up(wide[1])
        self.end_conv_1, self.end_conv_1_bn = _convolution(wide[1], wide[1]), _norm(wide[1])
        self.end_conv_2, self.end_conv_2_bn = _convolution(wide[1], wide[1]), _norm(wide[1])
        self.seg_layer = nn.Conv3d(wide[1], 2, kernel_size=1, bias=False)

    def forward(self, image: Tensor) -> Tensor:
        """Score voxels.

        Args:
            image: (B, 1, H, W, D), z-scored over all voxels, each axis a multiple of `MULTIPLE`.

        Returns:
            (B, 2, H, W, D) logits: outside, brain. Exclusive: apply a softmax.
        """
        skip1, x = self.down1(self.context1(self.init_conv(image)))
        skip2, x = self.down2(self.context2(x))
        skip3, x = self.down3(self.context3(x))
        skip4, x = self.down4(self.context4(x))
        x = _activated(self.bn_after_context5(self.context5(x)), _SLOPE_AT_THE_ENDS)
        x = self.loc1(torch.cat((skip4, self.up1(x)), dim=1))
        x = self.loc2(torch.cat((skip3, self.up2(x)), dim=1))
        x = self.loc3(torch.cat((skip2, self.up3(x)), dim=1))
        x = torch.cat((skip1, self.up4(x)), dim=1)
        del skip1, skip2, skip3, skip4
        x = _activated(self.end_conv_1_bn(self.end_conv_1(x)), _SLOPE_AT_THE_ENDS)
        x = _activated(self.end_conv_2_bn(self.end_conv_2(x)), _SLOPE_AT_THE_ENDS)
        logits: Tensor = self.seg_layer(x)
        return logits


class _Context(nn.Module):
    """Two convolutions, each after its normalisation, added to what came in."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.bn_1, self.conv1 = _norm(width), _convolution(width, width)
        self.bn_2, self.conv2 = _norm(width), _convolution(width, width)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv1(_activated(self.bn_1(x)))
        changed: Tensor = self.conv2(_activated(self.bn_2(y)))
        return changed.add_(x)


class _Down(nn.Module):
    """Halves each axis and doubles the channels; hands out what it saw, for the way up."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.bn = _norm(width)
        self.downsample = nn.Conv3d(width, 2 * width, kernel_size=3, stride=2, padding=1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = _activated(self.bn(x))
        return x, self.downsample(x)


class _Up(nn.Module):
    """Doubles each axis and halves the channels."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.upsample_conv, self.bn = _convolution(width, width // 2), _norm(width // 2)

    def forward(self, x: Tensor) -> Tensor:
        x = interpolate(x, scale_factor=2, mode="trilinear", align_corners=True)
        return _activated(self.bn(self.upsample_conv(x)))


class _Localization(nn.Module):
    """Blends what came up with what was seen on the way down, and halves the channels."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1, self.bn_1 = _convolution(width, width), _norm(width)
        self.conv2, self.bn_2 = nn.Conv3d(width, width // 2, kernel_size=1), _norm(width // 2)

    def forward(self, x: Tensor) -> Tensor:
        x = _activated(self.bn_1(self.conv1(x)))
        return _activated(self.bn_2(self.conv2(x)))


def _convolution(n_in: int, n_out: int) -> nn.Conv3d:
    return nn.Conv3d(n_in, n_out, kernel_size=3, padding=1)


def _norm(width: int) -> nn.InstanceNorm3d:
    return nn.InstanceNorm3d(width, affine=True)


def _activated(x: Tensor, slope: float = _SLOPE) -> Tensor:
    return leaky_relu(x, slope, inplace=True)
