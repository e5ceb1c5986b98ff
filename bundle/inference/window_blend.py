"""Blends what is one number per window, as sliding windows blend what is one per voxel."""

from collections.abc import Sequence

import torch
from monai.data.utils import compute_importance_map
from torch import Tensor
from torch.nn import functional

Place = tuple[slice, ...]


class WindowBlend:
    """The share that each window has in each voxel of a case, as MONAI's sliding windows have it.

    Args:
        places: of the windows, in the case as it is padded to at least one window.
        roi_size: of a window.
        shape: (H, W, D), of the case.
        mode: of blending, as MONAI's ``SlidingWindowInferer``.
        sigma_scale: as there.
        device: of the shares.
    """

    def __init__(
        self,
        places: Sequence[Place],
        roi_size: Sequence[int],
        shape: Sequence[int],
        *,
        mode: str,
        sigma_scale: Sequence[float] | float,
        device: torch.device,
    ) -> None:
        self.places = places
        self.shape = tuple(shape)
        self.padding = [max(window - size, 0) for size, window in zip(shape, roi_size, strict=True)]
        self.importance = compute_importance_map(
            tuple(roi_size), mode=mode, sigma_scale=sigma_scale, device=device
        )
        padded = [size + gap for size, gap in zip(shape, self.padding, strict=True)]
        self.count = torch.zeros(padded, device=device)
        for place in places:
            self.count[place] += self.importance

    def maps(self, values: Tensor) -> Tensor:
        """Return maps of what windows say.

        Args:
            values: (W, C), one row per window.

        Returns:
            (C, H, W, D); of one window a view without memory of its own.
        """
        if len(self.places) == 1:
            return values[0, :, None, None, None].expand(-1, *self.shape)
        whole = torch.zeros((values.shape[1], *self.count.shape), device=values.device)
        for place, row in zip(self.places, values, strict=True):
            for channel, value in zip(whole, row.tolist(), strict=True):
                channel[place].add_(self.importance, alpha=value)
        whole /= self.count
        return whole[(slice(None), *self._inside())]

    def means(self, values: Tensor, chosen: Tensor) -> Tensor:
        """Average what windows say over chosen voxels, without a map per value.

        Args:
            values: (W, S, ...), one row per window.
            chosen: (S, H, W, D) bool.

        Returns:
            (S, ...); 0 where nothing is chosen.
        """
        chosen = functional.pad(chosen, self._pads())
        total = torch.zeros_like(values[0])
        for place, row in zip(self.places, values, strict=True):
            share = self.importance / self.count[place]
            seen = (chosen[(slice(None), *place)] * share).sum(dim=(1, 2, 3))
            total += seen.reshape(-1, *[1] * (row.dim() - 1)) * row
        n_chosen = chosen.sum(dim=(1, 2, 3)).clamp(min=1)
        return total / n_chosen.reshape(-1, *[1] * (total.dim() - 1))

    def _inside(self) -> list[slice]:
        sizes = zip(self.shape, self.padding, strict=True)
        return [slice(gap // 2, gap // 2 + size) for size, gap in sizes]

    def _pads(self) -> list[int]:
        """Return what MONAI pads, last axis first."""
        pads: list[int] = []
        for gap in reversed(self.padding):
            pads += [gap // 2, gap - gap // 2]
        return pads
