"""Cuts stacks of slices out of a drawn head, along planes as a scanner is told to."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates
from scipy.spatial.transform import Rotation

from bundle.phantoms.dicom_plan import DrawnSeries

Array = NDArray[np.float64]

_AXES = {
    "axial": ((1, 0, 0), (0, 1, 0)),
    "sagittal": ((0, 1, 0), (0, 0, -1)),
    "coronal": ((1, 0, 0), (0, 0, -1)),
}
"""Directions of rows and of columns in DICOM's world: x to the left, y back, z up."""
_TO_RAS = np.diag((-1.0, -1.0, 1.0, 1.0))
_SAMPLES = 4
"""Planes within a slice whose mean it shows, where it is thicker than the voxels of the head."""


@dataclass(frozen=True)
class Stack:
    """Parallel slices.

    Attributes:
        shape: columns, rows, slices.
        affine: (4, 4), from column, row and slice to DICOM's world (LPS), mm.
    """

    shape: tuple[int, int, int]
    affine: Array

    @property
    def ras_affine(self) -> Array:
        """(4, 4), to RAS+ mm."""
        return _TO_RAS @ self.affine

    def position(self, index: int) -> Array:
        """Return the centre of the first voxel of a slice, (3,), LPS mm."""
        return self.affine[:3, 3] + index * self.affine[:3, 2]

    def orientation(self) -> Array:
        """Return the directions of rows and of columns, (6,), LPS."""
        axes = self.affine[:3, :2] / np.linalg.norm(self.affine[:3, :2], axis=0)
        return axes.T.ravel()


def stacks_of(
    series: DrawnSeries, shape: tuple[int, ...], affine: Array
) -> Iterator[tuple[str, Stack]]:
    """Lay the stacks of a series around a head.

    Args:
        series: how they lie.
        shape: (H, W, D) of the head.
        affine: (4, 4) of the head, RAS+ mm.
    """
    tilt = Rotation.from_euler("x", series.tilted_deg, degrees=True)
    middle = (_TO_RAS @ affine @ [*((np.array(shape) - 1) / 2), 1])[:3]
    extent = np.abs((_TO_RAS @ affine)[:3, :3]) @ np.array(shape)
    for plane in series.planes:
        rows, columns = (tilt.apply(axis) for axis in _AXES[plane])
        axes = np.stack([rows, columns, np.cross(rows, columns)], 1)
        sizes = np.ceil(np.abs(axes.T) @ extent / series.spacing_mm - 1e-6).astype(int)
        if series.slices is not None:
            sizes[2] = series.slices
        whole = np.eye(4)
        whole[:3, :3] = axes * series.spacing_mm
        whole[:3, 3] = middle - whole[:3, :3] @ ((sizes - 1) / 2)
        yield plane, Stack((int(sizes[0]), int(sizes[1]), int(sizes[2])), whole)


def cut(
    image: NDArray[np.float32], affine: Array, stack: Stack, motion: Array, thickness_mm: float
) -> Iterator[NDArray[np.float32]]:
    """Yield the slices (rows, columns) of a stack, first to last.

    Args:
        image: (H, W, D), of the head where it lay first.
        affine: (4, 4), of the image, RAS+ mm.
        stack: where the slices lie.
        motion: (4, 4), world to world, RAS+ mm: whither the head has moved.
        thickness_mm: of a slice.
    """
    to_voxel = np.linalg.inv(affine) @ np.linalg.inv(motion) @ stack.ras_affine
    is_thick = thickness_mm > 1.5
    depths = (np.arange(_SAMPLES) + 0.5) / _SAMPLES - 0.5 if is_thick else np.zeros(1)
    depths *= thickness_mm / np.linalg.norm(stack.affine[:3, 2])
    columns, rows, slices = stack.shape
    column, row = np.meshgrid(np.arange(columns), np.arange(rows))
    for index in range(slices):
        planes = [
            np.stack([column, row, np.full_like(row, index) + depth, np.ones(row.shape)])
            for depth in depths
        ]
        points = (np.einsum("ij,j...->i...", to_voxel, plane)[:3] for plane in planes)
        sampled = [map_coordinates(image, point, order=1, mode="constant") for point in points]
        yield np.mean(sampled, axis=0, dtype=np.float32)


def drawn_motion(
    series: DrawnSeries, shape: tuple[int, ...], affine: Array, rng: np.random.Generator
) -> Array:
    """Draw how the head had moved: (4, 4), world to world, RAS+ mm, about the head's middle."""
    axis, direction = rng.standard_normal((2, 3))
    turn = Rotation.from_rotvec(np.radians(series.turned_deg) * axis / np.linalg.norm(axis))
    middle = (affine @ [*((np.array(shape) - 1) / 2), 1])[:3]
    motion = np.eye(4)
    motion[:3, :3] = turn.as_matrix()
    shift = series.shifted_mm * direction / np.linalg.norm(direction)
    motion[:3, 3] = middle - motion[:3, :3] @ middle + shift
    return motion
