"""Which windows a network can work on."""

import math
from collections.abc import Sequence

from monai.networks.nets import DynUNet
from torch import nn

from bundle.errors import SetupError
from bundle.mixture.gate import GateCNN
from bundle.mixture.unet_halves import UNetEncoder


def checked_roi_size(roi_size: Sequence[int], network: nn.Module) -> tuple[int, ...]:
    """Refuse windows that a network would choke on somewhere inside, with an error that names no
    setting.

    Args:
        roi_size: voxels, (H, W, D).
        network: its U-Nets and gates are looked at.

    Returns:
        The window.

    Raises:
        SetupError: a U-Net cannot halve it as often as it does, or nothing would be left to
            normalise.
    """
    step = _step(network)
    smallest = max(
        [
            2 * step,
            *(2 * GateCNN.TOTAL_STRIDE for part in network.modules() if isinstance(part, GateCNN)),
        ]
    )
    window = tuple(roi_size)
    if any(size % step for size in window) or max(window) <= smallest // 2:
        raise SetupError(
            "E_ROI_SIZE",
            f"roi_size must be multiples of {step} voxels, one of them over {smallest // 2}; got"
            f" {list(window)}. Choose another window.",
        )
    return window


def deepest_size(roi_size: Sequence[int], network: nn.Module) -> int:
    """Return the voxels that are left of a window's longest side in the deepest layer of a
    network's U-Nets.
    """
    return max(roi_size) // _step(network)


def _step(network: nn.Module) -> int:
    unets = (part for part in network.modules() if isinstance(part, DynUNet | UNetEncoder))
    return max((_total_stride(unet) for unet in unets), default=1)


def _total_stride(unet: DynUNet | UNetEncoder) -> int:
    return math.prod(
        max(stride) if isinstance(stride, Sequence) else stride for stride in unet.strides
    )
