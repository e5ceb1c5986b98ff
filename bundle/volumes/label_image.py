"""Reads the numbers of a label map, or says in one sentence why they are none."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bundle.errors import CaseError
from bundle.volumes.file_errors import naming
from bundle.volumes.geometry import Grid
from bundle.volumes.image_file import read_stored
from bundle.volumes.image_header import CONVERT
from bundle.volumes.stored_volume import StoredVolume

MAX_LABEL = np.iinfo(np.int32).max

# An int16 file scaled to labels is up to 1e-4 off; interpolation between labels is off by any
# fraction.
MAX_LABEL_ROUNDING = 1e-3


@dataclass(frozen=True, eq=False)
class StoredLabel:
    """A label map as it stands in its file.

    Attributes:
        values: (H, W, D), uint8 or int32, in the file's numbering.
        warnings: sentences for the report, without the case's name.
    """

    values: NDArray[np.integer]
    grid: Grid
    warnings: tuple[str, ...]


def read_label(path: Path, *, case_id: str) -> StoredLabel:
    """Read a label map: non-negative whole numbers, uint8 where they fit and int32 where not.

    Numbers that are whole but for `MAX_LABEL_ROUNDING`, as after a scaling by the header, are
    rounded with a warning.

    Raises:
        CaseError: as `read_volume`, E_LABEL_VALUES, or E_SEGMENTATION for numbers that only the
            file itself explains.
    """
    with naming(case_id, "label", path):
        stored = read_stored(path)
        _refuse_named_segments(stored)
        values, warnings = _whole_numbers(_label_values(stored))
        return StoredLabel(
            values.astype(np.uint8 if values.max() <= 255 else np.int32),
            stored.grid,
            stored.warnings + warnings,
        )


def _refuse_named_segments(stored: StoredVolume) -> None:
    """3D Slicer numbers segments in the order in which they were drawn: that means nothing."""
    if stored.segments:
        raise CaseError(
            "E_SEGMENTATION",
            "label values must be those of a known numbering; got a segmentation of 3D Slicer with"
            f" {', '.join(stored.segments)}. Export it in Slicer as a labelmap with the values of"
            " one; or, if they are that already, convert it and declare the numbering (--labels):"
            f" {CONVERT.format(file='in.seg.nrrd')}.",
        )


def _whole_numbers(values: NDArray) -> tuple[NDArray, tuple[str, ...]]:
    if values.dtype.kind in "iu":
        whole, deviation = values, 0.0
    else:
        with np.errstate(invalid="ignore"):  # NaN and infinity deviate by NaN
            whole = np.rint(values)
            deviation = float(np.abs(values - whole).max())
    if not deviation <= MAX_LABEL_ROUNDING or whole.min() < 0 or whole.max() > MAX_LABEL:
        some = ", ".join(
            f"{value:.6g}"
            for value in np.unique(values[values != whole] if deviation else values)[:4]
        )
        raise CaseError(
            "E_LABEL_VALUES",
            f"labels must be whole numbers from 0 to {MAX_LABEL}, to {MAX_LABEL_ROUNDING:g}; got"
            f" values between {values.min():g} and {values.max():g}, such as {some}. Give the"
            " segmentation itself, resampled with nearest neighbour; if the numbers are only"
            " stored inexactly, round them with numpy.rint.",
        )
    if deviation == 0:
        return whole, ()
    return whole, (f"values up to {deviation:.2g} off whole numbers were rounded",)


def _label_values(stored: StoredVolume) -> NDArray:
    if not stored.layout.is_scaled:
        return stored.voxels
    with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is refused as a label
        return stored.voxels * np.float64(stored.layout.slope) + stored.layout.intercept
