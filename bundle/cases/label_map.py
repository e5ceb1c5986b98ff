"""Reads expert segmentations, whatever numbering they use, or refuses one whose numbering is not
certain.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bundle.cases.label_collections import certain_numbering
from bundle.errors import CaseError
from bundle.tasks.default import DEFAULT_TASK
from bundle.tasks.numberings import Numbering
from bundle.tasks.task import Task
from bundle.volumes.geometry import Grid
from bundle.volumes.label_image import read_label


@dataclass(frozen=True, eq=False)
class LabelMap:
    """An expert segmentation in the values of its task.

    Attributes:
        values: (H, W, D) uint8, see ``Task.labels``.
        numbering: name of that in the file.
        counts: value in the file to number of voxels.
        warnings: sentences for the report, without the case's name.
    """

    values: NDArray[np.uint8]
    grid: Grid
    numbering: str
    counts: dict[int, int]
    warnings: tuple[str, ...]


def read_label_map(
    path: Path, *, case_id: str, declared: str | None = None, task: Task = DEFAULT_TASK
) -> LabelMap:
    """Read a label map and renumber it.

    A numbering that is not declared must be certain, see ``certain_numbering``.

    Args:
        path: the label file.
        case_id: for messages.
        declared: name of a numbering of the task; None to tell it from the file's name and values.
        task: whose labels they are.

    Raises:
        CaseError: the file cannot be read, its numbering is not certain, or a value does not belong
            to it.
    """
    stored = read_label(path, case_id=case_id)
    values, sizes = np.unique(stored.values, return_counts=True)
    counts = dict(zip(values.tolist(), sizes.tolist(), strict=True))
    try:
        numbering = task.numbering(declared or certain_numbering(path, case_id, counts, task))
        renumbered = numbering.read(stored.values)
    except ValueError as error:
        way_out = (
            "Declare the right numbering: --labels, the setting label_convention, or that column of"
            " a list."
        )
        raise CaseError("E_LABELS", f"Case {case_id}: {path}: {error} {way_out}") from error
    warnings = stored.warnings
    if numbering.note and not declared:
        warnings += (f"numbered as {numbering.name}: {numbering.note}",)
    warnings += _warnings(numbering, counts, task)
    return LabelMap(renumbered, stored.grid, numbering.name, counts, warnings)


def _warnings(numbering: Numbering, counts: dict[int, int], task: Task) -> tuple[str, ...]:
    return tuple(
        f"{counts[value]} voxels of value {value}, {name}, belong to no {task.finding} region: read"
        " as background"
        for value, name in numbering.others.items()
        if value in counts
    )
