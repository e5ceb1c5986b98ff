"""Signed distances and smooth noise, from which phantoms are shaped.

A distance is negative inside.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

Field = NDArray[np.float32]
"""One value per voxel, (H, W, D); points in space are (3, H, W, D)."""

_TAPS = 8


@dataclass(frozen=True)
class Grid:
    """Voxels, and where they lie in an adult brain.

    Attributes:
        points: (3, H, W, D) mm.
        scale: voxels per mm; below 1 where the brain has been shrunk to fit.
    """

    points: Field
    scale: float

    @property
    def shape(self) -> tuple[int, ...]:
        """(H, W, D), voxels."""
        return self.points.shape[1:]

    @property
    def soft_mm(self) -> float:
        """Width over which tissues mix at their border, about one voxel."""
        return max(1.0, 0.9 / self.scale)

    def noise(self, size_mm: float, rng: np.random.Generator) -> Field:
        """Draw a Gaussian random field of unit variance whose blobs measure about size_mm."""
        return smooth_noise(self.shape, size_mm * self.scale, rng)


def ellipsoid(points: Field, centre: ArrayLike, radii: ArrayLike) -> Field:
    """Approximate the signed distance of points (3, ...) to an ellipsoid; exact on its surface."""
    ones = (1,) * (points.ndim - 1)
    size = np.asarray(radii, np.float32).reshape(3, *ones)
    unit = (points - np.asarray(centre, np.float32).reshape(3, *ones)) / size
    norm = np.sqrt((unit**2).sum(0))
    slope = np.sqrt(((unit / size) ** 2).sum(0))
    return norm * (norm - 1) / np.maximum(slope, np.float32(1e-6))


def tube(points: Field, knots: ArrayLike) -> Field:
    """Return the distance to a chain of rods; knots are rows of x, y, z, radius."""
    chain = np.asarray(knots, np.float32)
    distance = np.full(points.shape[1:], np.inf, np.float32)
    for start, end in pairwise(chain):
        along = end[:3] - start[:3]
        offset = points - start[:3].reshape(3, *(1,) * (points.ndim - 1))
        where = np.clip(np.einsum("i,i...->...", along, offset) / (along @ along), 0, 1)
        rest = offset - along.reshape(3, *(1,) * (points.ndim - 1)) * where
        radius = start[3] + (end[3] - start[3]) * where
        distance = np.minimum(distance, np.sqrt((rest**2).sum(0)) - radius)
    return distance


def smooth_min(first: Field, second: Field, width: float) -> Field:
    """Join two shapes with a fillet of the given width, mm."""
    mix = np.clip(0.5 + 0.5 * (second - first) / width, 0, 1)
    return second + (first - second) * mix - width * mix * (1 - mix)


def outer_max(first: Field, second: Field) -> Field:
    """Cut one shape with another such that the distance outside is right around the corner too."""
    corner = np.hypot(np.maximum(first, 0), np.maximum(second, 0))
    return np.where(corner > 0, corner, np.maximum(first, second))


def cover(distance: Field, soft_mm: float) -> Field:
    """Turn a signed distance into the share of a voxel inside, with an edge soft_mm wide."""
    return np.clip(0.5 - distance / np.float32(soft_mm), 0, 1)


def smooth_noise(shape: tuple[int, ...], size_vox: float, rng: np.random.Generator) -> Field:
    """Draw a Gaussian random field of unit variance whose blobs measure about size_vox.

    No matrix product, because BLAS threads cost more than they save here and round differently on
    another machine.
    """
    sigma = max(size_vox / 2.5, 0.6)
    field = rng.standard_normal([int(np.ceil(n / sigma)) + _TAPS for n in shape], dtype=np.float32)
    for axis in reversed(range(len(shape))):
        field = _spread(field, axis, np.arange(shape[axis]) / sigma)
    return field


def _spread(field: Field, axis: int, places: NDArray[np.float64]) -> Field:
    """Evaluate at places, in steps of the field's own lattice, Gaussian bells that stand on its
    points.
    """
    below = places.astype(int)
    offsets = (places - below)[:, None] - (np.arange(_TAPS) - _TAPS // 2 + 1)
    bells = np.exp(-0.5 * offsets**2)
    bells /= np.sqrt((bells**2).sum(1, keepdims=True))
    column = [1] * field.ndim
    column[axis] = -1
    return sum(
        field.take(below + tap, axis) * bells[:, tap].astype(np.float32).reshape(column)
        for tap in range(_TAPS)
    )
