"""Where the slices of a series lie: one stack at even distances, or what is wrong with it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bundle.dicom.instance import Instance, Place
from bundle.dicom.series import Series

Array = NDArray[np.float64]

_TO_RAS = np.diag((-1.0, -1.0, 1.0, 1.0))
_SAME_MM = 0.01
"""Positions nearer than this are one: headers round to fewer digits than scanners move by."""
_UNEVEN = 0.05
"""Share of the distance of slices by which one may differ from the others, in rounded headers."""
_DRIFT_MM = 0.5
"""How far slices may be shifted against each other along their planes, from first to last."""
FEWEST = 5
"""Slices of a volume; fewer are a localiser or what was left of a series."""


class StackError(ValueError):
    """The slices are no stack; the text says what they are instead."""


@dataclass(frozen=True)
class Slice:
    """One slice.

    Attributes:
        instance: whose file it is in.
        frame: its index there.
        place: where it lies.
    """

    instance: Instance
    frame: int
    place: Place


@dataclass(frozen=True, eq=False)
class Stack:
    """Slices in the order of their positions along the normal of their planes.

    Attributes:
        slices: at least two.
        shape: columns, rows, slices.
        affine: (4, 4), from column, row and slice to RAS+ mm.
    """

    slices: tuple[Slice, ...]
    shape: tuple[int, int, int]
    affine: Array

    @property
    def thickest_mm(self) -> float:
        """Distance of slices, mm."""
        return float(np.linalg.norm(self.affine[:3, 2]))


def stack_of(series: Series) -> Stack:
    """Sort the slices of a series.

    Raises:
        StackError: they are not one stack of parallel slices at even distances.
    """
    slices = [
        Slice(instance, index, place)
        for instance in series.instances
        for index, place in enumerate(instance.places)
    ]
    rows, columns = _size(series)
    spacing, orientation = _common(slices)
    row, column = np.array(orientation[:3]), np.array(orientation[3:])
    normal = _normal(row, column)
    positions = np.array([one.place.position for one in slices], np.float64)
    along = positions @ normal
    order = np.argsort(along, kind="stable")
    step = _even_step(along[order])
    _check_drift(positions[order], normal)
    affine = np.eye(4)
    affine[:3, 0], affine[:3, 1] = row * spacing[1], column * spacing[0]
    affine[:3, 2] = (positions[order[-1]] - positions[order[0]]) / (len(slices) - 1)
    affine[:3, 3] = positions[order[0]]
    if step > 100 or min(spacing) <= 0:
        raise StackError(f"voxels of {spacing[1]:g} x {spacing[0]:g} x {step:g} mm")
    return Stack(tuple(slices[k] for k in order), (columns, rows, len(slices)), _TO_RAS @ affine)


def _size(series: Series) -> tuple[int, int]:
    sizes = {(one.pixels.rows, one.pixels.columns) for one in series.instances}
    if len(sizes) > 1:
        listed = " and ".join(f"{columns} x {rows}" for rows, columns in sorted(sizes))
        raise StackError(f"slices of several sizes ({listed})")
    return sizes.pop()


def _common(slices: list[Slice]) -> tuple[tuple[float, float], tuple[float, ...]]:
    """Return the spacing and the orientation that all slices share."""
    spacings = [one.place.spacing for one in slices if one.place.spacing is not None]
    if len(spacings) < len(slices):
        raise StackError("no PixelSpacing, so that its size is unknown")
    planes = [one.place.orientation for one in slices if one.place.orientation is not None]
    if len(planes) < len(slices) or any(one.place.position is None for one in slices):
        raise StackError("no position or orientation of its slices")
    if not np.allclose(spacings, spacings[0], rtol=1e-3):
        raise StackError("slices of several pixel spacings")
    if np.abs(np.subtract(planes, planes[0])).max() > 1e-2:
        raise StackError("slices along several planes")
    if len(slices) < FEWEST:
        raise StackError(f"{len(slices)} slices only")
    return spacings[0], planes[0]


def _normal(row: Array, column: Array) -> Array:
    if not np.allclose([row @ row, column @ column, row @ column], [1, 1, 0], atol=1e-2):
        raise StackError("rows and columns that are not perpendicular")
    normal = np.cross(row, column)
    return normal / np.linalg.norm(normal)


def _even_step(along: Array) -> float:
    """Return the distance of slices, mm.

    Args:
        along: (n,), their places along the normal, sorted.
    """
    steps = np.diff(along)
    distinct = 1 + int((steps > _SAME_MM).sum())
    if distinct < len(along):
        raise StackError(_doubled(along, steps, distinct))
    step = float(np.median(steps))
    gaps = np.flatnonzero(steps > 1.5 * step)
    wholes = np.abs(steps[gaps] / step - np.rint(steps[gaps] / step))
    if len(gaps) and np.all(wholes < 3 * _UNEVEN):
        lost = int(np.rint(steps[gaps] / step).sum()) - len(gaps)
        raise StackError(
            f"{len(along)} slices with {lost} missing, the first after {gaps[0] + 1} slices"
        )
    if np.abs(steps - step).max() > max(_UNEVEN * step, 2 * _SAME_MM):
        raise StackError(f"slices {steps.min():.2f} to {steps.max():.2f} mm apart")
    return step


def _doubled(along: Array, steps: Array, distinct: int) -> str:
    if distinct == 1:
        return f"{len(along)} slices in one place"
    starts = np.flatnonzero(np.concatenate([[True], steps > _SAME_MM, [True]]))
    times = np.diff(starts)
    if np.all(times == times[0]):
        return f"{times[0]} volumes of {distinct} slices, such as a series in time"
    return f"{len(along)} slices in {distinct} places: {len(along) - distinct} of them doubled"


def _check_drift(positions: Array, normal: Array) -> None:
    whole = positions[-1] - positions[0]
    if np.linalg.norm(whole - (whole @ normal) * normal) > _DRIFT_MM:
        raise StackError("slices that are shifted against each other, as from a tilted gantry")
    straight = np.linspace(positions[0], positions[-1], len(positions))
    if np.abs(positions - straight).max() > max(_DRIFT_MM, _UNEVEN * np.linalg.norm(whole)):
        raise StackError("slices that do not lie on a line")
