"""Reads expert segmentations, whatever numbering they use, or refuses one whose numbering is not certain."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bundle.data.file_names import label_convention
from bundle.data.geometry import Grid
from bundle.data.nifti_reading import read_label
from bundle.errors import CaseError
from bundle.regions import CONVENTIONS, NO_TUMOUR, from_convention


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
    """Read a label map and renumber it.

    Args:
        path: the label file.
        case_id: for messages.
        declared: a key of ``regions.CONVENTIONS``; None to tell it from the file's name and values.

    Raises:
        CaseError: the file cannot be read, its numbering is not certain, or a value does not belong to it.
    """
    stored, grid = read_label(path, case_id=case_id)
    values, sizes = np.unique(stored, return_counts=True)
    counts = dict(zip(values.tolist(), sizes.tolist(), strict=True))
    try:
        convention = declared or certain_convention(path, counts)
        renumbered = from_convention(stored, convention)
    except ValueError as error:
        raise CaseError("E_LABELS", f"Case {case_id}: {path}: {error} Declare the right convention.") from error
    return LabelMap(renumbered, grid, convention, counts, _warnings(convention, counts))


def certain_convention(path: Path, values: Collection[int]) -> str:
    """Tell the numbering from a file's name and the values in it, where both together leave no doubt.

    A 4 is enhancing tumour until BraTS 2021 and a resection cavity from 2024 on. The names changed in 2023, so
    in a ``_seg`` file it is enhancing tumour. In a ``-seg`` file a 3 beside it shows that enhancing tumour is 3 and
    the 4 a cavity; without any 3 the file may also be an old one under a new name.

    Raises:
        ValueError: there is doubt.
    """
    named = label_convention(path)
    if named is None:
        raise ValueError(
            f"the numbering must be known; got a name that does not say. One of {', '.join(CONVENTIONS)} is right "
            "(label_convention, --labels)."
        )
    if named == "brats2023" and 4 in values:
        if 3 not in values:
            raise ValueError(
                f"label values must tell what 4 means; got {sorted(values)} without 3, so that 4 may be enhancing "
                "tumour (brats2021) or a resection cavity (brats2024)."
            )
        return "brats2024"
    return named


def _warnings(convention: str, counts: dict[int, int]) -> tuple[str, ...]:
    return tuple(
        f"{counts[value]} voxels of value {value}, {name}, belong to no tumour region: read as background"
        for value, name in NO_TUMOUR.get(convention, {}).items()
        if value in counts
    )
