"""Reads segmentations that are stored as one map per class, where that is what they are beyond
doubt.
"""

from pathlib import Path

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from bundle.errors import CaseError
from bundle.tasks.task import Task
from bundle.volumes.geometry import Grid
from bundle.volumes.image_file import read_stored_series
from bundle.volumes.stored_volume import StoredVolume


def read_one_hot(
    path: Path, *, case_id: str, numbering: str, task: Task
) -> tuple[NDArray[np.uint8], Grid]:
    """Read a 4D file of one map per value of a numbering, 1 where a voxel has the value.

    Certain are maps of 0 and 1 of which exactly one is 1 in every voxel, with the background, the
    largest, first. Regions overlap and leave the background empty, and probabilities lie between 0
    and 1: neither is taken for classes.

    Args:
        path: a NIfTI file with several volumes.
        case_id: for messages.
        numbering: name of one of the task's.
        task: whose labels these are.

    Returns:
        (H, W, D) values of the task, and where they lie.

    Raises:
        CaseError: E_4D, the volumes are no classes; E_LABELS, the numbering lacks one; or the file
            is damaged.
    """
    try:
        stored = _volumes(path, task)
        return task.numbering(numbering).read(_classes(stored, task)), stored[0].grid
    except CaseError as error:
        raise CaseError(error.code, f"Case {case_id}: {path}: {error}") from error
    except ValueError as error:
        way_out = "Declare the right numbering: --prediction-labels."
        raise CaseError("E_LABELS", f"Case {case_id}: {path}: {error} {way_out}") from error


def _volumes(path: Path, task: Task) -> tuple[StoredVolume, ...]:
    """Read all volumes by the rules for images; only how many there are is taken from nibabel."""
    try:
        shape = nib.load(path).shape  # type: ignore[attr-defined]
    except Exception as error:  # nibabel raises many kinds for what is no image
        raise CaseError(
            "E_4D", f"the file must be an image that nibabel reads; got: {error}"
        ) from error
    most = max(max(numbering.table) for numbering in task.numberings.values()) + 1
    if len(shape) != 4 or not 2 <= shape[3] <= most:
        raise _no_classes(task, f"an array of {' x '.join(map(str, shape))}")
    return read_stored_series(path, shape[3])


def _no_classes(task: Task, got: str) -> CaseError:
    inner_first = task.outer_first[::-1]
    names = ", ".join(inner_first).lower()
    values = ", ".join(str(_innermost_label(task, region)) for region in inner_first)
    return CaseError(
        "E_4D",
        "a segmentation must be one label map, or one map of 0 and 1 per class, background first;"
        f" got {got}. Make one label map: of classes or their probabilities, background first,"
        f" numpy.argmax(data, axis=-1); of regions numpy.select([{names}], [{values}], 0).",
    )


def _innermost_label(task: Task, name: str) -> int:
    """Return the label of voxels that are in a region, and in none that lies within it."""
    region = task.regions[task.region_names.index(name)]
    members = [[other == region or other.holds(region)] for other in task.regions]
    return int(task.regions_to_labels(np.array(members))[0])


def _classes(volumes: tuple[StoredVolume, ...], task: Task) -> NDArray[np.uint8]:
    """Return the class of every voxel, where exactly one volume has it.

    Raises:
        CaseError: E_4D, the volumes are no classes.
    """
    found = np.zeros(volumes[0].voxels.shape, np.uint8)
    total = np.zeros(found.shape, np.uint8)
    sizes = []
    for value, volume in enumerate(volumes):
        is_there = volume.voxels == 1
        if volume.layout.is_scaled or not (is_there | (volume.voxels == 0)).all():
            raise _no_classes(task, f"{len(volumes)} volumes with other values than 0 and 1")
        found[is_there] = value
        total += is_there
        sizes.append(int(is_there.sum()))
    if not (total == 1).all() or sizes[0] < max(sizes):
        raise _no_classes(
            task,
            f"{len(volumes)} volumes that overlap, leave voxels out or have no background first",
        )
    return found
