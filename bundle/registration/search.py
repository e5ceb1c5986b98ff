"""Finds the rigid move that brings a scan onto another, by mutual information."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bundle.registration.itk import sitk
from bundle.registration.pyramid import Pyramid, resampled
from bundle.registration.world import Move, distance_mm, euler_of, move_of, turning

AGREE_MM = 5.0
"""How far apart two coarse searches may end that have found the same place."""

_BINS = 32
_ITERATIONS = 12
_TURNS: tuple[tuple[float, float, float], ...] = (
    (0.0, 0.0, 0.0),
    (20.0, 0.0, 10.0),
    (-20.0, 0.0, -10.0),
    (0.0, 20.0, -20.0),
)
"""Degrees around x, y and z: a nod up and down, and a head laid to one side."""


@dataclass(frozen=True)
class Level:
    """One resolution.

    Attributes:
        points_mm: distance of the points at which scans are compared.
        details_mm: what is smaller is blurred.
        step_mm: of the search, at first.
    """

    points_mm: float
    details_mm: float
    step_mm: float


COARSE = Level(8.0, 6.0, 4.0)
FINER = (Level(6.0, 3.0, 1.0), Level(4.0, 1.0, 0.5))


@dataclass(frozen=True, eq=False)
class Found:
    """Where searches ended.

    Attributes:
        move: of the best one, refined.
        n_starts: searches that were begun.
        n_agreeing: those that ended at the place of the best one.
    """

    move: Move
    n_starts: int
    n_agreeing: int


def find_move(scan: Pyramid, reference: Pyramid) -> Found:
    """Search from the scanner's coordinates, and from middle on middle, turned to all sides.

    Returns:
        The best; whether it is right is for others to judge.
    """
    ends = [_search(scan, reference, start, COARSE) for start in _starts(scan, reference)]
    (move, _), *_ = sorted(ends, key=lambda end: end[1])
    agreeing = [end for end, _ in ends if distance_mm(end, move, scan.points) <= AGREE_MM]
    for level in FINER:
        move, _ = _search(scan, reference, move, level)
    return Found(move, len(ends), len(agreeing))


def _starts(scan: Pyramid, reference: Pyramid) -> Sequence[Move]:
    shift = reference.centre - scan.centre
    turned = [turning(degrees, scan.centre, shift) for degrees in _TURNS]
    return [np.eye(4), *turned]


def _search(scan: Pyramid, reference: Pyramid, start: Move, level: Level) -> tuple[Move, float]:
    """Go up the mutual information from a start.

    Returns:
        The move, and the negative information at its end; infinity where the two do not overlap.
    """
    grid, mask = reference.comparison_grid(level.points_mm)
    fixed = resampled(reference.smoothed(level.details_mm), grid)
    transform = euler_of(start, reference.centre)
    search = _method(level)
    search.SetMetricFixedMask(mask)
    search.SetInitialTransform(transform, inPlace=True)
    try:
        search.Execute(fixed, scan.smoothed(level.details_mm))
    except RuntimeError:  # ITK's: all points lie outside of the scan
        return start, np.inf
    return move_of(transform), float(search.GetMetricValue())


def _method(level: Level) -> Any:
    method = sitk.ImageRegistrationMethod()
    method.SetNumberOfThreads(1)  # several add up in another order each time
    method.SetMetricAsMattesMutualInformation(_BINS)
    method.SetMetricSamplingStrategy(method.NONE)
    # Else ITK filters all of both images before each search, for gradients that nobody asks for.
    method.SetMetricUseFixedImageGradientFilter(False)
    method.SetMetricUseMovingImageGradientFilter(False)
    method.SetInterpolator(sitk.sitkLinear)
    # Descent along the gradient ends in the valleys between turning and shifting, up to 15 mm away.
    method.SetOptimizerAsPowell(
        numberOfIterations=_ITERATIONS,
        stepLength=level.step_mm,
        stepTolerance=level.step_mm / 20,
        valueTolerance=1e-5,
    )
    method.SetOptimizerScalesFromPhysicalShift()
    return method
