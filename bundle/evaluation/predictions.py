"""Finds and reads segmentations that somebody else made."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bundle.data.geometry import Grid, corner_shift_voxels, same_grid
from bundle.data.labels import read_label_map
from bundle.errors import CaseError, UsageError

_NAMES = ("{case}_seg", "{case}-seg", "{case}")
_ENDINGS = (".nii.gz", ".nii")


def check_predictions(folder: Path) -> Path:
    """Give back a folder of segmentations.

    Raises:
        UsageError: it is none.
    """
    if not folder.is_dir():
        raise UsageError("E_FOLDER", f"The predictions must be a folder; got {folder}. Give the folder of the files.")
    return folder


def find_prediction(folder: Path, case_id: str) -> Path:
    """Find the one segmentation of a case: ``CASE``, ``CASE_seg`` or ``CASE-seg``, there or in the folder ``CASE``.

    Raises:
        CaseError: there is none, or more than one.
    """
    names = [name.format(case=case_id) + ending for name in _NAMES for ending in _ENDINGS]
    found = [place / name for place in (folder, folder / case_id) for name in names if (place / name).is_file()]
    if not found:
        raise CaseError(
            "E_MISSING",
            f"Case {case_id}: a segmentation must be in {folder}; got none of {', '.join(names[::2])}. "
            "Add it, or leave the case out of the data.",
        )
    if len(found) > 1:
        both = " and ".join(str(path.relative_to(folder)) for path in found[:2])
        raise CaseError("E_AMBIGUOUS", f"Case {case_id}: the segmentation must be one file; got {both}. Remove one.")
    return found[0]


def read_prediction(path: Path, *, case_id: str, grid: Grid, convention: str) -> NDArray[np.uint8]:
    """Read a segmentation in this project's numbering.

    Args:
        path: a NIfTI label map.
        case_id: for messages.
        grid: of the truth; the segmentation must lie on it voxel by voxel.
        convention: the numbering in the file, a key of ``regions.CONVENTIONS``.

    Raises:
        CaseError: the file cannot be read, lies elsewhere, or holds a value that its numbering does not have.
    """
    predicted = read_label_map(path, case_id=case_id, declared=convention)
    if not same_grid(grid, predicted.grid):
        raise CaseError(
            "E_GRID",
            f"Case {case_id}: the segmentation {path} must lie on the grid of the truth; "
            f"{_difference(grid, predicted.grid)}. Resample it with nearest neighbour, or correct its header.",
        )
    return predicted.values


def _difference(truth: Grid, predicted: Grid) -> str:
    if truth.shape != predicted.shape:
        return f"got shape {predicted.shape} instead of {truth.shape}"
    if truth.is_anchored != predicted.is_anchored:
        return "got one of which only the one or the other says where it lies"
    shift = corner_shift_voxels(truth.affine, predicted.affine, truth.shape)
    return f"got one whose corners lie up to {shift:.2f} voxels off"
