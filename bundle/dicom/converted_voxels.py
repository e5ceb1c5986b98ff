"""Compares voxels of a converted volume with those in the DICOM files."""

from typing import Any

import numpy as np
from nibabel.orientations import apply_orientation
from numpy.typing import NDArray

from bundle.dicom.stack import Slice, Stack
from bundle.files.dicom_file import silent_pydicom


def differing_slice(data: NDArray[Any], turn: NDArray[np.float64], stack: Stack) -> int | None:
    """Return the place of a slice whose voxels differ, of the first, the middle and the last.

    Slices whose compression pydicom cannot undo by itself are passed over.

    Args:
        data: (H, W, D), as converted.
        turn: (3, 2), how its axes lie to those of the stack, for ``apply_orientation``.
        stack: columns, rows, slices.
    """
    turned = np.asarray(apply_orientation(data, turn))  # type: ignore[no-untyped-call]
    last = len(stack.slices) - 1
    for index in sorted({0, last // 2, last}):
        values = _values(stack.slices[index])
        if values is not None and not _equal(turned[:, :, index].T, values):
            return index
    return None


def _values(one: Slice) -> NDArray[np.float64] | None:
    """Return a slice (rows, columns) with slope and intercept; None if it cannot be decoded."""
    with silent_pydicom() as pydicom:
        try:
            stored = pydicom.dcmread(one.instance.path, force=True).pixel_array
        except Exception:  # no decoder, or none that can: what dcm2niix made has passed its own
            return None
    plane = stored[one.frame] if stored.ndim == 3 else stored
    return np.asarray(plane, np.float64) * one.place.slope + one.place.intercept


def _equal(found: NDArray[Any], wanted: NDArray[np.float64]) -> bool:
    scale = float(np.abs(wanted).max()) or 1.0
    return found.shape == wanted.shape and bool(
        np.abs(found.astype(np.float64) - wanted).max() <= 1e-4 * scale
    )
