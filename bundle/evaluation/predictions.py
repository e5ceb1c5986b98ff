"""Finds and reads segmentations that somebody else made."""

import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bundle.cases.label_map import read_label_map
from bundle.errors import CaseError, UsageError
from bundle.evaluation.one_hot import read_one_hot
from bundle.tasks.default import DEFAULT_TASK
from bundle.tasks.task import Task
from bundle.volumes.common_grid import turned_voxels
from bundle.volumes.geometry import Grid, corner_shift_voxels

_ENDING = re.compile(r"(?:\.nii|\.nii\.gz|\.nrrd|\.mha|\.mgz|\.mgh)$", re.I)
_WORD = re.compile(r"[-_]seg$", re.I)


def check_predictions(folder: Path) -> Path:
    """Return a folder of segmentations.

    Raises:
        UsageError: it is none.
    """
    if not folder.is_dir():
        raise UsageError(
            "E_FOLDER",
            f"The predictions must be a folder; got {folder}. Give the folder of the files.",
        )
    return folder


def case_of(file: Path) -> str:
    """Name the case of a segmentation: its file's name without ending, and without ``_seg`` or
    ``-seg``.
    """
    return _WORD.sub("", _ENDING.sub("", file.name))


def find_prediction(folder: Path, case_id: str) -> Path:
    """Find the one segmentation of a case: ``CASE``, ``CASE_seg`` or ``CASE-seg``, there or in the
    folder ``CASE``.

    Capitals do not matter, as no two cases of a data set differ in them alone; of two files the one
    that has those of the case is taken.

    Raises:
        CaseError: there is none, or more than one.
    """
    files = _segmentations(folder) + _segmentations(folder / case_id)
    found = [path for path in files if _is_of(path, case_id)]
    found = [path for path in found if case_id in path.name] or found
    if not found:
        raise CaseError(
            "E_MISSING",
            f"Case {case_id}: a segmentation must be in {folder}; got none of {case_id}_seg.nii.gz,"
            f" {case_id}-seg.nii.gz, {case_id}.nii.gz. Add it, or leave the case out of the data.",
        )
    if len(found) > 1:
        both = " and ".join(str(path.relative_to(folder)) for path in found[:2])
        raise CaseError(
            "E_AMBIGUOUS",
            f"Case {case_id}: the segmentation must be one file; got {both}. Remove one.",
        )
    return found[0]


def _segmentations(folder: Path) -> list[Path]:
    try:
        files = sorted(path for path in folder.iterdir() if _ENDING.search(path.name))
    except (OSError, ValueError):  # no such folder, or a name that none can have
        return []
    return [path for path in files if path.is_file() and not path.name.startswith(".")]


def _is_of(path: Path, case_id: str) -> bool:
    return case_id.lower() in (case_of(path).lower(), _ENDING.sub("", path.name).lower())


def read_prediction(
    path: Path, *, case_id: str, grid: Grid, numbering: str, task: Task = DEFAULT_TASK
) -> NDArray[np.uint8]:
    """Read a segmentation in the task's own numbering.

    Args:
        path: a label map of any format that is read, or a 4D file of one-hot classes, background
            first.
        case_id: for messages.
        grid: of the truth; the segmentation must lie on it voxel by voxel, however it orders its
            axes.
        numbering: the one in the file, one of the task's.
        task: whose labels these are.

    Raises:
        CaseError: the file cannot be read, lies elsewhere, or holds a value that its numbering does
            not have.
    """
    try:
        predicted = read_label_map(path, case_id=case_id, declared=numbering, task=task)
        found, own = predicted.values, predicted.grid
    except CaseError as error:
        if error.code != "E_4D":
            raise
        found, own = read_one_hot(path, case_id=case_id, numbering=numbering, task=task)
    values = turned_voxels(found, own, grid)
    if values is None:
        raise CaseError(
            "E_GRID",
            f"Case {case_id}: the segmentation {path} must lie on the grid of the truth; "
            f"{_difference(grid, own)}. Resample it with nearest neighbour, or correct its header.",
        )
    return values


def _difference(truth: Grid, predicted: Grid) -> str:
    if truth.shape != predicted.shape:
        return f"got shape {predicted.shape} instead of {truth.shape}"
    if truth.is_anchored != predicted.is_anchored:
        return "got one of which only the one or the other says where it lies"
    shift = corner_shift_voxels(truth.affine, predicted.affine, truth.shape)
    return f"got one whose corners lie up to {shift:.2f} voxels off"
