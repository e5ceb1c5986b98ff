"""Cuts a case into the three planes that radiologists look at, the right way round for every
orientation.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from bundle.volumes.geometry import spacing_mm

Volume = NDArray[Any]
Mask = NDArray[np.bool_]

PLANES = {"axial": 2, "coronal": 1, "sagittal": 0}
"""Rows of the figure, each with the axis that it cuts across."""


@dataclass(frozen=True)
class PlaneView:
    """What one row of the figure shows, cut to what was imaged and what was found there.

    Attributes:
        pictures: (rows, columns) by the names of images and maps; images have greys in [0, 1].
        inside: (rows, columns), True where any image is not outside of what was imaged.
        size_mm: width and height.
    """

    pictures: dict[str, Volume]
    inside: Mask
    size_mm: tuple[float, float]


def plane_views(
    images: Mapping[str, Volume],
    maps: Mapping[str, Volume],
    affine: NDArray[Any],
    is_inside: Callable[[Volume], Mask],
) -> dict[str, PlaneView]:
    """Cut the slice with most findings in each of ``PLANES``; without any, the middle one.

    Args:
        images: (H, W, D) raw intensities by name; without any, what was imaged is where a map is
            not 0.
        maps: (H, W, D) by name; what is found is where ``seg``, or else ``truth``, is not 0.
        affine: (4, 4), voxel to world, RAS+ mm; any orientation.
        is_inside: tells of an image where it is not outside of what was imaged.
    """
    greys = {name: to_patient_axes(image, affine) for name, image in images.items()}
    volumes = {name: to_patient_axes(values, affine) for name, values in maps.items()}
    insides = {name: is_inside(image) for name, image in greys.items()}
    inside = np.any(list(insides.values()) or [values != 0 for values in volumes.values()], axis=0)
    found = next(
        (volumes[name] > 0 for name in ("seg", "truth") if np.any(volumes.get(name, 0))),
        inside & False,
    )
    spacing = patient_spacing_mm(affine)
    windows = {name: grey_window(image[insides[name]]) for name, image in greys.items()}
    views = {}
    for plane, axis in PLANES.items():
        index = _slice_index(found, inside, axis)
        shown = plane_picture(inside | found, plane, index)
        box = tuple(tight_span(shown.any(axis=other)) for other in (1, 0))
        pictures = {}
        for name, values in (greys | volumes).items():
            pictures[name] = plane_picture(values, plane, index)[box]
        for name, (low, width) in windows.items():
            pictures[name] = np.clip((pictures[name] - low) / width, 0, 1)
        width_mm, height_mm = np.multiply(shown[box].shape[::-1], np.delete(spacing, axis)).tolist()
        cut = plane_picture(inside, plane, index)[box]
        views[plane] = PlaneView(pictures, cut, (width_mm, height_mm))
    return views


def to_patient_axes(volume: Volume, affine: NDArray[Any]) -> Volume:
    """Flip and swap the axes of (H, W, D) until they run to the right, front and top as nearly as
    they can.
    """
    return nib.orientations.apply_orientation(volume, _orientation(affine))  # type: ignore[no-untyped-call]


def patient_spacing_mm(affine: NDArray[Any]) -> NDArray[np.float64]:
    """Return the spacing along the axes of ``to_patient_axes``."""
    return spacing_mm(affine)[_orientation(affine)[:, 0].argsort()]


def plane_picture(volume: Volume, plane: str, index: int) -> Volume:
    """Cut a slice as radiologists look at it: from the feet, from the front, from the patient's
    left.

    Args:
        volume: (X, Y, Z) with axes to the right, front and top.
        plane: a key of ``PLANES``.
        index: along the axis that the plane cuts across.

    Returns:
        (rows, columns), first row at the top: the patient's right, or front if sagittal, is on the
        left.
    """
    return np.take(volume, index, axis=PLANES[plane])[::-1, ::-1].T


def _orientation(affine: NDArray[Any]) -> NDArray[np.float64]:
    return nib.orientations.io_orientation(affine)  # type: ignore[no-untyped-call]


def _slice_index(found: Mask, inside: Mask, axis: int) -> int:
    others = tuple({0, 1, 2} - {axis})
    if found.any():
        return int(found.sum(axis=others).argmax())
    span = tight_span(inside.any(axis=others))
    return (span.start + span.stop) // 2


def tight_span(hits: NDArray[Any] | np.bool_) -> slice:
    """Return the range from the first to the last True, or everything if there is none."""
    places = np.flatnonzero(hits if np.any(hits) else np.ones_like(hits))
    return slice(int(places[0]), int(places[-1]) + 1)


def grey_window(voxels: Volume) -> tuple[float, float]:
    """Return the intensity drawn black, and the range from there to white.

    Args:
        voxels: (N,), those of an image that are not outside of what was imaged.
    """
    seen = voxels[np.isfinite(voxels)]
    low, high = np.percentile(seen, (1, 99.5)).tolist() if seen.size else (0.0, 1.0)
    return low, max(high - low, 1e-6)
