"""Which windows a network can work on."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from monai.networks.nets import DynUNet
from torch import nn

from bundle.errors import SetupError
from bundle.setting_kinds import WHOLE
from bundle.volume_networks.gate import GateCNN
from bundle.volume_networks.unet_halves import UNetEncoder

LARGEST = 192 * 224 * 192
"""Voxels of the largest window that is as large as a case; larger ones are divided."""


@dataclass(frozen=True)
class WholeWindow:
    """A window as large as each case.

    Attributes:
        step: voxels; sides are multiples of it.
        smallest: voxels that a side has at least.
    """

    step: int
    smallest: int

    def over(self, shape: Sequence[int]) -> tuple[int, ...]:
        """Return the window for a case (H, W, D): all of it, rounded up.

        Where that is more than ``LARGEST``, its longest side is halved until it is not.
        """
        sides = [max(self._rounded(size), self.smallest) for size in shape]
        while math.prod(sides) > LARGEST:
            longest = sides.index(max(sides))
            sides[longest] = self._rounded(sides[longest] / 2)
        return tuple(sides)

    def _rounded(self, size: float) -> int:
        return math.ceil(size / self.step) * self.step


Window = tuple[int, ...] | WholeWindow


def window_over(window: Window, shape: Sequence[int]) -> tuple[int, ...]:
    """Return the window in which a case of (H, W, D) voxels is seen."""
    return window.over(shape) if isinstance(window, WholeWindow) else window


def cube(side: int | str) -> list[int] | str:
    """Return the setting ``roi_size`` of windows with equal sides; ``whole`` stays what it is.

    Args:
        side: voxels, or ``whole``.
    """
    return side if isinstance(side, str) else [side] * 3


def checked_window(roi_size: Sequence[int] | str, network: nn.Module, n_deepest: int = 1) -> Window:
    """Make what windows are to be of the setting ``roi_size``.

    Args:
        roi_size: as for ``checked_roi_size``, or ``whole``.
        network: its U-Nets and gates are looked at.
        n_deepest: voxels that a side of a window as large as a case leaves in the deepest layer of
            a U-Net at least.

    Raises:
        SetupError: as ``checked_roi_size``.
    """
    if roi_size == WHOLE:
        step = _step(network)
        return WholeWindow(step, max(_smallest(network), n_deepest * step))
    return checked_roi_size(roi_size, network)


def checked_roi_size(roi_size: Sequence[int] | str, network: nn.Module) -> tuple[int, ...]:
    """Refuse windows that a network would choke on somewhere inside, with an error that names no
    setting.

    Args:
        roi_size: voxels, (H, W, D).
        network: its U-Nets and gates are looked at.

    Returns:
        The window.

    Raises:
        SetupError: a U-Net cannot halve it as often as it does, nothing would be left to normalise,
            or it has no size of its own.
    """
    step, smallest = _step(network), _smallest(network)
    window = (0,) if isinstance(roi_size, str) else tuple(roi_size)
    if any(size % step for size in window) or max(window) <= smallest // 2:
        got = roi_size if isinstance(roi_size, str) else list(roi_size)
        raise SetupError(
            "E_ROI_SIZE",
            f"roi_size must be multiples of {step} voxels, one of them over {smallest // 2}; got"
            f" {got}. Choose another window.",
        )
    return window


def deepest_size(window: Window, network: nn.Module) -> int:
    """Return the voxels that are at least left of a window's longest side in the deepest layer of a
    network's U-Nets.
    """
    longest = window.smallest if isinstance(window, WholeWindow) else max(window)
    return longest // _step(network)


def _smallest(network: nn.Module) -> int:
    """Return the voxels that leave something to normalise in the deepest layers."""
    gates = (part for part in network.modules() if isinstance(part, GateCNN))
    return 2 * max([_step(network), *(gate.TOTAL_STRIDE for gate in gates)])


def _step(network: nn.Module) -> int:
    unets = (part for part in network.modules() if isinstance(part, DynUNet | UNetEncoder))
    return max((_total_stride(unet) for unet in unets), default=1)


def _total_stride(unet: DynUNet | UNetEncoder) -> int:
    return math.prod(
        max(stride) if isinstance(stride, Sequence) else stride for stride in unet.strides
    )
