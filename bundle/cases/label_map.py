"""Reads expert segmentations, whatever numbering they use, or refuses one whose numbering is not
certain.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bundle.cases.label_collections import certain_numbering
from bundle.errors import CaseError
from bundle.tasks.regions import JOINED, NO_TUMOUR, from_convention
from bundle.volumes.geometry import Grid
from bundle.volumes.label_image import read_label


@dataclass(frozen=True, eq=False)
class LabelMap:
    """An expert segmentation in this project's numbering.

    Attributes:
        values: (H, W, D) uint8, see ``regions.LABEL_NAMES``.
        convention: the numbering in the file, a key of ``regions.CONVENTIONS``.
        counts: value in the file to number of voxels.
        warnings: sentences for the report, without the case's name.
    """

    values: NDArray[np.uint8]
    grid: Grid
    convention: str
    counts: dict[int, int]
    warnings: tuple[str, ...]


def read_label_map(path: Path, *, case_id: str, declared: str | None = None) -> LabelMap:
    """Read a label map and renumber it; a numbering that is not declared must be certain, see
    ``certain_numbering``.

    Args:
        path: the label file.
        case_id: for messages.
        declared: a key of ``regions.CONVENTIONS``; None to tell it from the file's name and values.

    Raises:
        CaseError: the file cannot be read, its numbering is not certain, or a value does not belong
            to it.
    """
    stored = read_label(path, case_id=case_id)
    values, sizes = np.unique(stored.values, return_counts=True)
    counts = dict(zip(values.tolist(), sizes.tolist(), strict=True))
    try:
        convention = declared or certain_numbering(path, case_id, counts)
        renumbered = from_convention(stored.values, convention)
    except ValueError as error:
        way_out = (
            "Declare the right numbering: --labels, the setting label_convention, or that column of"
            " a list."
        )
        raise CaseError("E_LABELS", f"Case {case_id}: {path}: {error} {way_out}") from error
    found = (
        ()
        if declared or convention not in JOINED
        else (f"numbered as {convention}: {JOINED[convention]}",)
    )
    warnings = stored.warnings + found + _warnings(convention, counts)
    return LabelMap(renumbered, stored.grid, convention, counts, warnings)


def _warnings(convention: str, counts: dict[int, int]) -> tuple[str, ...]:
    return tuple(
        f"{counts[value]} voxels of value {value}, {name}, belong to no tumour region: read as"
        " background"
        for value, name in NO_TUMOUR.get(convention, {}).items()
        if value in counts
    )
