"""Whether the numbers of a volume can be an MRI scan."""

import math

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation

from bundle.errors import CaseError
from bundle.tasks.default import DEFAULT_TASK
from bundle.tasks.task import Task
from bundle.volumes.background import MIN_FACE_SHARE, clear_background, connected_to_faces, faces
from bundle.volumes.outliers import mend_outliers
from bundle.volumes.outside import clear_outside, mark_inside

Voxels = NDArray[np.float32]

ZERO = "zero"
"""What a task says of its outside where that is exactly 0 in its files."""

# Resampling leaves single NaN voxels at the border of the field of view; more than that is a
# computation gone wrong.
MAX_NON_FINITE_FRACTION = 1e-3

# A label map has a handful of values; a scan, even with 8 bits, has dozens.
MAX_LABEL_VALUES = 8

MAX_SATURATED_FRACTION = 0.01

# Between these, sums of squares over a volume are far from the ends of single precision.
_SMALLEST, _LARGEST, _BITS = 1e-6, 1e9, 10
_FLOAT32 = np.finfo(np.float32)

_NEIGHBOURS = np.ones((3, 3, 3), bool)
_SAMPLE_SIZE = 100_000


def check_intensities(data: Voxels, *, task: Task = DEFAULT_TASK) -> tuple[Voxels, tuple[str, ...]]:
    """Refuse what cannot be an MRI volume, and mend what certainly can be: background, outliers,
    units.

    Args:
        data: (H, W, D). Changed in place where something is mended.
        task: says what is outside, and whether brains are skull-stripped.

    Returns:
        Finite voxels, and warnings about everything that was done. Those outside are 0: where the
        task says how to tell them no others are; where files should have 0 there, and brains are
        skull-stripped, another background is made 0 if it is certain.

    Raises:
        CaseError: E_NAN, E_ALL_ZERO, E_CONSTANT, E_LABEL_MAP or E_OUTLIERS.
    """
    warnings: tuple[str, ...] = ()
    lowest, highest = data.min(), data.max()
    if not np.isfinite([lowest, highest]).all():
        warnings = _fill_non_finite(data, task.outside)
        lowest, highest = data.min(), data.max()
    _check_variety(data, float(lowest), float(highest))
    if task.outside == ZERO:
        warnings += _rescale(data)
        warnings += clear_background(data) if task.skull_stripped else ()
        warnings += mend_outliers(data)
    else:
        outside = None if task.outside is None else clear_outside(data, float(task.outside))
        warnings += _rescale(data)
        mark_inside(data, outside)
        warnings += mend_outliers(data)
        mark_inside(data, outside)
    return data, warnings + _saturation(data, data.max())


def _rescale(data: Voxels) -> tuple[str, ...]:
    """Bring numbers whose squares single precision cannot hold to a common size, by a power of 2,
    in place.
    """
    sample = np.abs(data.ravel(order="K")[:: data.size // _SAMPLE_SIZE + 1])
    size = (
        float(np.percentile(sample[sample > 0], 95)) if sample.any() else float(np.abs(data).max())
    )
    if _SMALLEST <= size <= _LARGEST:
        return ()
    with np.errstate(over="ignore", under="ignore"):  # what overflows will be an outlier
        np.ldexp(data, _BITS - math.frexp(size)[1], out=data)
    np.clip(data, _FLOAT32.min, _FLOAT32.max, out=data)
    return (
        f"intensities around {size:.3g} were brought to a common size; their units do not matter",
    )


def _fill_non_finite(data: Voxels, outside: str | float | None) -> tuple[str, ...]:
    """Set NaN and infinite voxels to the background that surrounds them, or that they are, in
    place.
    """
    bad = ~np.isfinite(data)
    n_bad = int(np.count_nonzero(bad))
    if _is_background(bad) and not np.isinf(data).any():
        data[bad] = _padding(data, bad, outside)
        told = f"{data[bad][0]:g}" if outside is None else "0"
        return (f"the background is NaN ({n_bad / data.size:.0%} of the voxels): set to {told}",)
    background = (
        _background_around(data, bad) if n_bad <= MAX_NON_FINITE_FRACTION * data.size else None
    )
    if background is None:
        raise CaseError(
            "E_NAN",
            "voxels must be finite (NaN or infinite ones are mended only in the background, and if"
            f" they are the whole background); got {n_bad} of {data.size} that are not,"
            f" {n_bad / data.size:.2g} of all. Repeat the step that made them; if they mark the"
            " background, replace them by 0 with numpy.nan_to_num.",
        )
    data[bad] = background
    return (f"{n_bad} NaN or infinite voxels in the background were set to {background:g}",)


def _padding(data: Voxels, bad: NDArray[np.bool_], outside: str | float | None) -> np.float32:
    """Return what a background of NaN is to be: outside, or the lowest value where nothing is."""
    if outside == ZERO:
        return np.float32(0)
    if outside is None:
        return np.float32(data.min(where=~bad, initial=np.inf))
    return np.nextafter(np.float32(outside), np.float32(-np.inf))


def _is_background(mask: NDArray[np.bool_]) -> bool:
    """Whether a mask is all around a volume; a few holes elsewhere are those of a brain mask."""
    n_masked = np.count_nonzero(mask)
    if n_masked == mask.size or faces(mask).mean() < MIN_FACE_SHARE:
        return False
    n_holes = n_masked - np.count_nonzero(connected_to_faces(mask))
    return bool(n_holes <= MAX_NON_FINITE_FRACTION * mask.size)


def _background_around(data: Voxels, bad: NDArray[np.bool_]) -> float | None:
    """Value of the background in which all `bad` voxels lie, None if one touches something else."""
    around = data[binary_dilation(bad, _NEIGHBOURS) & ~bad]
    if not np.any(around):
        return 0.0
    lowest = data.min(where=~bad, initial=np.inf)
    return float(lowest) if np.isin(around, (0, lowest)).all() else None


def _check_variety(data: Voxels, lowest: float, highest: float) -> None:
    if lowest == highest == 0:
        raise CaseError(
            "E_ALL_ZERO",
            "an image must hold a scan; got 0 in every voxel. If this modality was not acquired,"
            " leave it out of the command or remove its file from the case folder; an empty file"
            " does not stand for a missing modality.",
        )
    if lowest == highest:
        raise CaseError(
            "E_CONSTANT",
            f"an image must have contrast; got {lowest:g} in every voxel. Export the scan again.",
        )
    values = _few_values(data)
    if values is not None:
        in_words = ", ".join(f"{value:g}" for value in values)
        raise CaseError(
            "E_LABEL_MAP",
            f"an image must have more than {MAX_LABEL_VALUES} distinct values; got {in_words}. This"
            " looks like a segmentation: give the scan itself.",
        )


def _few_values(data: Voxels) -> NDArray[np.float32] | None:
    """Return the distinct values if there are only as many as in a label map."""
    flat = data.ravel(order="K")
    # Sorting all voxels takes longer than reading them, and a sample of a scan already has too many
    # values.
    for voxels in (flat[:: flat.size // _SAMPLE_SIZE + 1], flat):
        values = np.unique(voxels)
        if values.size > MAX_LABEL_VALUES:
            return None
    return values


def _saturation(data: Voxels, highest: np.float32) -> tuple[str, ...]:
    if highest == 0:  # the background of a scan with negative values
        return ()
    fraction = np.count_nonzero(data == highest) / np.count_nonzero(data != 0)
    if fraction <= MAX_SATURATED_FRACTION:
        return ()
    return (
        (
            f"{fraction:.1%} of the non-zero voxels have the largest value {highest:g}: the scan is"
            " saturated"
        ),
    )
