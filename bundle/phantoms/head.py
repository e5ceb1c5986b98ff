"""Puts a skull and a scalp around a drawn brain, and noise into the air around them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, gaussian_filter

from bundle.phantoms.anatomy import EXTENT
from bundle.phantoms.dicom_plan import HeadLayer
from bundle.phantoms.phantom_cases import Phantom

_AIR_MM = 5
_CLOSING_MM = 10.0
_NOISE = 0.02
"""Standard deviation of the noise in each of its two parts, relative to the brain's mean."""


@dataclass(frozen=True)
class Head:
    """A drawn head.

    Attributes:
        images: modality to (H, W, D) float32.
        label: (H, W, D) uint8.
        affine: (4, 4) voxel to world, RAS+ mm.
    """

    images: Mapping[str, NDArray[np.float32]]
    label: NDArray[np.uint8]
    affine: NDArray[np.float64]


def draw_head(phantom: Phantom, layers: Sequence[HeadLayer], rng: np.random.Generator) -> Head:
    """Draw what lies around a brain of 1 mm voxels; below, the head ends where the brain does.

    Layers are as thick as the brain is large: in a grid too small for an adult the head shrinks.
    """
    shape = phantom.label.shape
    scale = min(1.0, *((n - 2) / extent for n, extent in zip(shape, EXTENT, strict=True)))
    margin = int(np.ceil(sum(layer.mm for layer in layers) * scale)) + _AIR_MM
    sides = ((margin, margin), (margin, margin), (0, margin))
    first = next(iter(phantom.images.values()))
    away = _distance(first > 0, margin, _CLOSING_MM * scale)
    shares = _shares(away, [layer.mm * scale for layer in layers])
    images: dict[str, NDArray[np.float32]] = {}
    for name, image in phantom.images.items():
        unit = float(image[image > 0].mean())
        around = sum(
            np.float32(layer.signals[name]) * share
            for layer, share in zip(layers, shares, strict=True)
        )
        whole = np.pad(image, sides).astype(np.float32)
        noisy = unit * _rician(np.asarray(around, np.float32), rng)
        images[name] = np.where(whole > 0, whole, noisy)
    affine = phantom.affine.copy()
    affine[:3, 3] -= phantom.affine[:3, :3] @ (margin, margin, 0)
    return Head(images, np.pad(phantom.label, sides), affine)


def _distance(inside: NDArray[np.bool_], margin: int, closing: float) -> NDArray[np.float32]:
    """Return how far voxels lie outside of the brain without its folds, mm.

    The brain goes on below the grid, so that the head has a neck and no chin.
    """
    wide = np.pad(inside, margin)
    wide[:, :, :margin] = wide[:, :, margin : margin + 1]
    swollen = np.asarray(distance_transform_edt(~wide)) <= closing
    hull = np.asarray(distance_transform_edt(swollen)) > closing
    away = np.asarray(distance_transform_edt(~(hull | wide)), np.float32)
    return gaussian_filter(away, 1.0)[:, :, margin:]


def _shares(away: NDArray[np.float32], thick: Sequence[float]) -> list[NDArray[np.float32]]:
    """Return which share of each voxel every layer fills, with borders a voxel wide."""
    ends = np.cumsum(thick)
    reached = [np.clip(end + 0.5 - away, 0, 1) for end in ends]
    inner = [np.zeros_like(away), *reached[:-1]]
    return [outer - within for outer, within in zip(reached, inner, strict=True)]


def _rician(signal: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    noise = _NOISE * rng.standard_normal((2, *signal.shape), dtype=np.float32)
    return np.hypot(signal + noise[0], noise[1])
