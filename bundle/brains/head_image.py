"""A head as HD-BET's network wants to see it, and its answer back on the grid of the scan.

Source: Isensee et al., doi:10.1002/hbm.24750; ``data_loading.py`` of
https://github.com/MIC-DKFZ/HD-BET: voxels of 1.5 mm by cubic interpolation, z-scores over all of
the volume, padding after it.
"""

from dataclasses import dataclass

import numpy as np
import torch
from nibabel.orientations import apply_orientation, io_orientation
from numpy.typing import NDArray
from scipy.ndimage import binary_fill_holes, binary_opening, label, zoom
from torch import Tensor
from torch.nn.functional import interpolate, pad

from bundle.brains.hd_bet_network import MULTIPLE
from bundle.volumes.geometry import spacing_mm
from bundle.volumes.image_volume import Volume

SPACING_MM = 1.5

MAX_VOXELS = 160 * 160 * 128
"""Of 1.5 mm: a larger field of view is cut to the head in it, or time and memory would go into air.
A smaller one is left as it is, since the network's normalisation sees all of it."""

MARGIN = 12
"""Voxels of 1.5 mm that are left around the head."""

_CUBIC = 3

Box = tuple[slice, ...]


@dataclass(frozen=True, eq=False)
class HeadImage:
    """A head on the network's grid.

    Attributes:
        image: (1, 1, H, W, D), z-scored, axes padded at their ends to multiples of the network.
        box: where the image without its padding lies in the volume of 1.5 mm.
        shape: of the volume of 1.5 mm.
        turn: (3, 2), how the volume's axes were reordered to RAS.
        turned_shape: of the volume after that.
    """

    image: Tensor
    box: Box
    shape: tuple[int, ...]
    turn: NDArray[np.float64]
    turned_shape: tuple[int, ...]

    def on_volume(self, logits: Tensor) -> NDArray[np.bool_]:
        """Make the mask of the network's answer: one part without holes, on the volume's grid.

        Args:
            logits: (1, 2, H, W, D) of ``image``.

        Returns:
            (H, W, D) of the volume. Empty if the network saw no brain.
        """
        h, w, d = (part.stop - part.start for part in self.box)
        brain = torch.zeros(1, 1, *self.shape)
        brain[0, 0][self.box] = torch.softmax(logits[0, :, :h, :w, :d].float(), dim=0)[1]
        likely = interpolate(brain, self.turned_shape, mode="trilinear", align_corners=False)
        mask = _one_solid_part(likely[0, 0].numpy() >= 0.5)
        return np.ascontiguousarray(apply_orientation(mask, _back(self.turn)))  # type: ignore[no-untyped-call]


def head_image(volume: Volume) -> HeadImage:
    """Turn a volume to RAS, resample it to 1.5 mm, cut what is too large, and pad it."""
    turn = io_orientation(volume.grid.affine)  # type: ignore[no-untyped-call]
    turned = apply_orientation(volume.data, turn)  # type: ignore[no-untyped-call]
    spacing = spacing_mm(volume.grid.affine)[np.argsort(turn[:, 0])]
    small = _resampled(turned, spacing)
    scored = (small - small.mean()) / max(float(small.std()), np.finfo(np.float32).tiny)
    box = _box(scored)
    image = torch.from_numpy(np.ascontiguousarray(scored[box], np.float32))[None, None]
    behind = [-size % MULTIPLE for size in scored[box].shape]
    padding = [amount for size in reversed(behind) for amount in (0, size)]
    return HeadImage(pad(image, padding), box, scored.shape, turn, turned.shape)


def _resampled(data: NDArray[np.float32], spacing: NDArray[np.float64]) -> NDArray[np.float32]:
    """Bring (H, W, D) of a spacing in mm to voxels of 1.5 mm; a field of view keeps its ends."""
    sizes = [max(1, round(n * mm / SPACING_MM)) for n, mm in zip(data.shape, spacing, strict=True)]
    factors = [new / old for new, old in zip(sizes, data.shape, strict=True)]
    small = zoom(data, factors, order=_CUBIC, mode="nearest", grid_mode=True)
    return np.clip(small, data.min(), data.max())


def _box(scored: NDArray[np.float32]) -> Box:
    """Find what the network is shown: everything, or the head in a large field of view."""
    everything = tuple(slice(0, size) for size in scored.shape)
    if scored.size <= MAX_VOXELS:
        return everything
    head = binary_opening(scored > 0, iterations=2)  # brighter than the mean, which air is not
    places = [np.flatnonzero(head.any(axis=tuple({0, 1, 2} - {axis}))) for axis in range(3)]
    if not head.any():
        return everything
    return tuple(
        slice(max(int(place[0]) - MARGIN, 0), min(int(place[-1]) + 1 + MARGIN, size))
        for place, size in zip(places, scored.shape, strict=True)
    )


def _one_solid_part(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Keep the largest connected part and fill its holes."""
    parts, n_parts = label(mask)
    if n_parts == 0:
        return mask
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    solid: NDArray[np.bool_] = binary_fill_holes(parts == sizes.argmax())
    return solid


def _back(turn: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the orientation that undoes one."""
    order = np.argsort(turn[:, 0])
    return np.stack([order, turn[order, 1]], axis=1).astype(np.float64)
