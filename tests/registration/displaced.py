"""Scans of a drawn head, moved by what is known."""

from pathlib import Path

import numpy as np

from bundle.phantoms.phantom_cases import draw_phantom
from bundle.registration.world import Move, turning
from bundle.volumes.geometry import grid_from_affine
from bundle.volumes.image_volume import Volume

SHAPE = (96, 112, 80)
DISPLACEMENTS = {
    "none": ((0.0, 0.0, 0.0), (0.0, 0.0, 0.0)),
    "small": ((3.0, -2.0, 2.0), (3.0, 2.0, -4.0)),
    "medium": ((8.0, 6.0, -7.0), (10.0, -9.0, 8.0)),
    "large": ((14.0, -12.0, 16.0), (22.0, 20.0, -22.0)),
}
"""Name to degrees around x, y and z, and mm."""


def displacement(name: str, centre: np.ndarray) -> Move:
    """The move of a name, around the middle of a head."""
    degrees, shift = DISPLACEMENTS[name]
    return turning(degrees, centre, np.array(shift))


def volume(data: np.ndarray, affine: np.ndarray) -> Volume:
    """Voxels as a scan."""
    grid = grid_from_affine(data.shape, affine)
    return Volume(data.astype(np.float32), grid, Path("scan.nii.gz"), "", ())


def drawn_exam(seed: int = 5) -> dict[str, Volume]:
    """The scans of a drawn head, on one grid."""
    phantom = draw_phantom(seed, SHAPE)
    return {name: volume(data, phantom.affine) for name, data in phantom.images.items()}


def displaced(scan: Volume, move: Move) -> Volume:
    """The same voxels, said to lie elsewhere."""
    return volume(scan.data, move @ scan.grid.affine)


def head_points(scan: Volume, step: int = 499) -> np.ndarray:
    """Some of the places (N, 3) of a head, world, RAS+ mm."""
    indices = np.argwhere(scan.data != 0)[::step]
    affine = scan.grid.affine
    return indices @ affine[:3, :3].T + affine[:3, 3]
