"""Sliding windows that may be as large as a case, and what is one number per window."""

from collections.abc import Callable, Sequence
from copy import copy
from typing import Any, Self

import torch
from monai.inferers import SlidingWindowInferer
from monai.utils import ensure_tuple_rep
from torch import Tensor

from bundle.devices import has_bfloat16
from bundle.inference.window_blend import Place, WindowBlend
from bundle.volume_networks.windows import Window, window_over

LEFT_RIGHT = 2
"""Axis of (B, M, H, W, D) along which the sides of a prepared head lie."""

Said = tuple[Tensor, Tensor]


class WindowedInferer(SlidingWindowInferer):
    """MONAI's sliding windows, with windows that fit a case and their places told.

    Args:
        roi_size: a window, or one as large as each case, see ``windows.checked_window``.
        amp: compute in bfloat16 where that is safe; with ``auto`` where the hardware has it.
        mirrored: also see the window with left and right exchanged, along the first axis, and take
            the mean: twice the time.
        spacing: mm, of the voxels that the network sees and ``roi_size`` counts, where images have
            1 mm: they are pooled, and maps come back to 1 mm.
        options: as MONAI's ``SlidingWindowInferer``: ``overlap``, ``sw_batch_size``, ``mode``.
    """

    def __init__(
        self,
        roi_size: Window,
        amp: bool | str = False,
        *,
        spacing: int = 1,
        mirrored: bool = False,
        **options: Any,
    ) -> None:
        fixed = roi_size if isinstance(roi_size, Sequence) else -1  # MONAI's: as large as the case
        super().__init__(roi_size=fixed, with_coord=True, **options)
        self.window = roi_size
        self.amp = amp
        self.spacing = spacing
        self.mirrored = mirrored

    def fitted_to(self, shape: Sequence[int], overlap: float | None = None) -> Self:
        """Return an inferer whose window is that of a case.

        Args:
            shape: (H, W, D), of the case.
            overlap: instead of this object's.
        """
        other = copy(self)
        other.roi_size = window_over(self.window, shape)
        other.overlap = self.overlap if overlap is None else overlap
        return other

    def seen(self, said: Callable[[Tensor], Said], window: Tensor) -> Said:
        """Return what is said of a window (B, M, H, W, D), or on average of it and its image in a
        mirror.

        Args:
            said: a window to maps (B, C, H, W, D) and numbers (B, ...).
            window: what is seen.
        """
        maps, numbers = said(window)
        if not self.mirrored:
            return maps, numbers
        others, other_numbers = said(window.flip(LEFT_RIGHT))
        return (maps + others.flip(LEFT_RIGHT)) / 2, (numbers + other_numbers) / 2

    def autocast(self, device: torch.device) -> torch.autocast:
        """Return the context of the precision that was chosen, for windows on a device."""
        enabled = has_bfloat16(self.amp, device)
        return torch.autocast(device.type, dtype=torch.bfloat16, enabled=enabled)

    def blend(
        self, places: Sequence[Place], shape: Sequence[int], device: torch.device
    ) -> WindowBlend:
        """Return how windows at some places blend over a case of (H, W, D) voxels."""
        return WindowBlend(
            places,
            ensure_tuple_rep(self.roi_size, 3),
            shape,
            mode=self.mode,
            sigma_scale=self.sigma_scale,
            device=device,
        )
