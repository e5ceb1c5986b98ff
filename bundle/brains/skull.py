"""Tells a head with its skull from a brain that was cut out of it.

Two signs are looked for in each scan, and one is enough. What is inside of the outer surface of the
signal has the volume of a head, not of a brain. Or a dark layer lies a few millimetres under that
surface, with signal outside and inside of it: bone between scalp and brain. The first fails where
the field of view shows part of a head, the second where bone is hardly darker than brain.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import (
    binary_closing,
    binary_fill_holes,
    binary_opening,
    distance_transform_edt,
    label,
    uniform_filter1d,
)

from bundle.volumes.background import faces
from bundle.volumes.geometry import spacing_mm
from bundle.volumes.image_volume import Volume

Mask = NDArray[np.bool_]
Voxels = NDArray[np.float32]

MAX_BRAIN_LITRES = 2.2
"""Within the outer surface of the signal: more is more than a brain with its fluid."""

MIN_DARK_SHARE = 0.09
"""Of the layer in which bone would lie."""

LAYER_MM = (4.0, 14.0)
DEEP_MM = 20.0
DARK = 0.25
"""Of the signal deep inside: darker is bone, air or fluid."""

MIN_EXTENT_MM = 100.0
"""Of the two longest axes: what is smaller is no head, and no brain of an adult either."""

MAX_FACE_SHARE = 0.9
"""Of the volume's faces: where signal reaches all of them there is no outer surface."""

_SPACING_MM = 3.0
_SURFACE = 0.12
_AIR_PERCENTILE = 95
_CLOSING_MM = 6.0
_MARGIN = 3  # voxels of 3 mm
_MIN_PART = 0.01


@dataclass(frozen=True)
class SkullFinding:
    """Whether an exam still has its skull.

    Attributes:
        has_skull: in at least one scan.
        evidence: what was seen, by modality, in words; empty without a skull.
    """

    has_skull: bool
    evidence: str


@dataclass(frozen=True)
class HeadSigns:
    """What was measured in one scan.

    Attributes:
        litres: within the outer surface of the signal.
        dark_share: of the layer under that surface, 0..1.
    """

    litres: float
    dark_share: float


def find_skull(volumes: Mapping[str, Volume]) -> SkullFinding:
    """Look for a skull in the scans of an exam, each by itself.

    Args:
        volumes: by name of the modality; grids may differ.
    """
    evidence = [
        f"{modality}: {sentence}"
        for modality, volume in volumes.items()
        for sentence in _evidence(head_signs(volume))
    ]
    return SkullFinding(bool(evidence), "; ".join(evidence))


def head_signs(volume: Volume) -> HeadSigns:
    """Measure in one scan what tells a head from a brain; zeros in what is too small for either."""
    factors = spacing_mm(volume.grid.affine) / _SPACING_MM
    fine = volume.data[_box_of_signal(volume.data, np.ceil(_MARGIN / factors).astype(int))]
    fine = _from_zero(fine)
    data = _smooth_coarse(fine, factors)
    surface = _surface_level(data)
    inside = _within_surface(data > surface)
    if sorted(_extent_mm(inside))[1] < MIN_EXTENT_MM or faces(inside).mean() > MAX_FACE_SHARE:
        return HeadSigns(0.0, 0.0)
    litres = float(np.count_nonzero(inside)) * _SPACING_MM**3 / 1e6
    depth = distance_transform_edt(inside, sampling=_SPACING_MM)  # an end of the view is no surface
    deep = data[(depth > DEEP_MM) & (data > surface)]
    layer = (depth > LAYER_MM[0]) & (depth <= LAYER_MM[1])
    if not deep.size or not layer.any():
        return HeadSigns(litres, 0.0)
    dark = _coarse(fine, factors)[layer] < DARK * np.median(deep)  # bone would be smoothed away
    return HeadSigns(litres, float(dark.mean()))


def _evidence(signs: HeadSigns) -> list[str]:
    found = []
    if signs.litres > MAX_BRAIN_LITRES:
        found.append(
            f"{signs.litres:.1f} l lie within its outer surface, and a brain has at most"
            f" {MAX_BRAIN_LITRES:g} l"
        )
    if signs.dark_share > MIN_DARK_SHARE:
        found.append(
            f"{signs.dark_share:.0%} of what lies {LAYER_MM[0]:g} to {LAYER_MM[1]:g} mm under its"
            " outer surface is dark, as bone is"
        )
    return found


def _coarse(values: NDArray[Any], factors: NDArray[np.float64]) -> NDArray[Any]:
    """Take the voxels nearest to those of a grid of 3 mm.

    Args:
        values: (H, W, D).
        factors: (3,), voxels of 3 mm in one of the values' own, along each axis.
    """
    return values[np.ix_(*map(_nearest, values.shape, factors))]


def _smooth_coarse(values: Voxels, factors: NDArray[np.float64]) -> Voxels:
    """Take means over 3 mm at the voxels that ``_coarse`` takes.

    Axis by axis, since what is not taken along one need not be averaged along the next.
    """
    for axis, factor in enumerate(factors):
        places = _nearest(values.shape[axis], factor)
        size = max(1, round(1 / factor))
        means = uniform_filter1d(values, size, axis) if size > 1 else values
        values = means.take(places, axis)
    return values


def _nearest(n: int, factor: float) -> NDArray[np.integer]:
    size = max(1, round(n * factor))
    return np.minimum(((np.arange(size) + 0.5) * n / size).astype(int), n - 1)


def _box_of_signal(data: Voxels, margin: NDArray[np.integer]) -> tuple[slice, ...]:
    places = _places(data != 0)
    return tuple(
        slice(max(int(place[0]) - more, 0), int(place[-1]) + 1 + more)
        if place.size
        else slice(None)
        for place, more in zip(places, margin, strict=True)
    )


def _from_zero(data: Voxels) -> Voxels:
    """Shift what is not background, such as z-scores, so that its darkest voxel is next to 0."""
    lowest = data.min()
    return data if lowest >= 0 else np.where(data != 0, data - lowest, 0)


def _places(mask: Mask) -> list[NDArray[np.integer]]:
    """Find which slices along each axis have something of a mask."""
    return [np.flatnonzero(mask.any(axis=tuple({0, 1, 2} - {axis}))) for axis in range(3)]


def _surface_level(data: Voxels) -> float:
    """Return the level above which is tissue and not air."""
    bright = data[data > data.mean()]
    tissue = float(np.median(bright)) if bright.size else np.inf
    air = float(np.percentile(_corners(data), _AIR_PERCENTILE))
    return max(_SURFACE * tissue, min(1.5 * air, 0.5 * tissue))


def _corners(data: Voxels) -> Voxels:
    """Return the voxels of the eight corners of a volume, where neither head nor brain lies."""
    places = [np.r_[: max(1, n // 10), n - max(1, n // 10) : n] for n in data.shape]
    return data[np.ix_(*places)]


def _within_surface(signal: Mask) -> Mask:
    """Fill the largest part of the signal up to its outer surface."""
    n_steps = round(_CLOSING_MM / _SPACING_MM)
    # A field of view that ends in the head goes on beyond its end.
    padded = _without_specks(np.pad(signal, n_steps + 1, mode="edge"))
    inner = (slice(n_steps + 1, -n_steps - 1),) * 3
    closed = binary_closing(padded, iterations=n_steps)[inner]
    # Slice by slice, since caves are open at such an end.
    filled = np.zeros_like(closed)
    for axis in range(3):
        for index in range(closed.shape[axis]):
            place = (slice(None),) * axis + (index,)
            filled[place] |= binary_fill_holes(closed[place])
    return _largest_part(filled)


def _without_specks(signal: Mask) -> Mask:
    """Leave out parts as small as noise and fat of the orbits make them, which no scalp is."""
    parts, _ = label(binary_opening(signal))
    sizes = np.bincount(parts.ravel())
    large = sizes >= _MIN_PART * signal.sum()
    large[0] = False
    return large[parts]


def _largest_part(mask: Mask) -> Mask:
    parts, _ = label(mask)
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    return (parts == sizes.argmax()) & mask


def _extent_mm(mask: Mask) -> list[float]:
    return [
        float(place[-1] - place[0] + 1) * _SPACING_MM if place.size else 0.0
        for place in _places(mask)
    ]
