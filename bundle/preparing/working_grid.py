"""Brings registered scans onto the grid of their reference."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from bundle.preparing.alignment import AlignedScan
from bundle.volumes.common_grid import turned_voxels
from bundle.volumes.geometry import Grid
from bundle.volumes.image_volume import Volume
from bundle.volumes.regridding import resampled_to


def lies_there(scan: AlignedScan, grid: Grid) -> bool:
    """Whether a scan lies on a grid as it was acquired, but for the order of its axes."""
    return not scan.is_moved and turned_voxels(scan.volume.data, scan.volume.grid, grid) is not None


def on_grid(scan: AlignedScan, grid: Grid) -> Volume:
    """Bring a scan onto a grid: by reordering its voxels, else by linear interpolation.

    Linear, as in the preparation of BraTS: it invents no value brighter or darker than those
    around. Outside of the scan is 0, and so is what lies more outside of a brain than in it.
    """
    volume = scan.volume
    turned = None if scan.is_moved else turned_voxels(volume.data, volume.grid, grid)
    if turned is not None:
        return replace(volume, data=turned, grid=grid)
    back = np.asarray(np.linalg.inv(scan.move), np.float64)
    data = resampled_to(grid, volume.data, volume.grid, back)
    inside = resampled_to(grid, (volume.data != 0).astype(np.float32), volume.grid, back)
    data[inside < 0.5] = 0
    return replace(volume, data=data, grid=grid)


def within(volume: Volume, mask: NDArray[np.bool_]) -> Volume:
    """Set what is outside of a mask (H, W, D) to 0."""
    return replace(volume, data=np.where(mask, volume.data, np.float32(0)))
