"""Tumour regions, label values, and the conventions that give them different numbers."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

REGIONS = ("TC", "WT", "ET")
"""Channel order of overlapping regions: tumour core, whole tumour, enhancing tumour; ET within TC
within WT.
"""

LABEL_NAMES = {0: "background", 1: "necrotic core", 2: "oedema", 3: "enhancing tumour"}
"""Exclusive values of a label map on disk; contiguous, so that viewers name the segments
rightly.
"""

REGION_LABELS = {"TC": (1, 3), "WT": (1, 2, 3), "ET": (3,)}
"""Label values that make up each region."""

THRESHOLD = 0.5
"""Probability above which a voxel belongs to a region."""

CONVENTIONS: Mapping[str, Mapping[int, int]] = {
    "brats2023": {0: 0, 1: 1, 2: 2, 3: 3},
    "brats2021": {0: 0, 1: 1, 2: 2, 4: 3},
    "msd": {0: 0, 1: 2, 2: 1, 3: 3},
    "brats2024": {0: 0, 1: 1, 2: 2, 3: 3, 4: 0},
    "brats-ped": {0: 0, 1: 3, 2: 1, 3: 1, 4: 2},
}
"""Value on disk to value here, by the data set that introduced the numbering.

Where two values on disk are one here, the first of them is written.
"""

NO_TUMOUR: Mapping[str, Mapping[int, str]] = {"brats2024": {4: "resection cavity"}}
"""Values on disk that name something else than tumour: they belong to no region and are read as
background.
"""

JOINED: Mapping[str, str] = {
    "brats-ped": (
        "BraTS-PED, 1 enhancing, 2 non-enhancing, 3 cystic, 4 oedema; 2 and 3 are tumour core here"
    )
}
"""What is lost of a numbering with more kinds of tumour than there are here."""


def from_convention(label: NDArray[np.integer], convention: str) -> NDArray[np.uint8]:
    """Renumber a label map of a declared convention.

    Args:
        label: (...) integers as stored on disk.
        convention: a key of ``CONVENTIONS``.

    Returns:
        (...) uint8 with the values of ``LABEL_NAMES``.

    Raises:
        ValueError: the convention is unknown, or the map holds a value that it does not have.
    """
    table = _table(convention)
    unknown = sorted(set(np.unique(label).tolist()) - set(table))
    if unknown:
        raise ValueError(
            f"label values must be among {sorted(table)} for {convention}; got also {unknown}."
        )
    lookup = np.zeros(max(table) + 1, np.uint8)
    for disk, here in table.items():
        lookup[disk] = here
    return lookup[label.astype(np.int64)]


def to_convention(label: NDArray[np.integer], convention: str) -> NDArray[np.uint8]:
    """Renumber a label map of this project for a convention; ``from_convention`` brings it back."""
    lookup = np.zeros(len(LABEL_NAMES), np.uint8)
    for disk, here in written_values(convention).items():
        lookup[here] = disk
    return lookup[label.astype(np.int64)]


def written_values(convention: str) -> dict[int, int]:
    """Return the values that label maps of a convention are written with, sorted: value on disk to
    value here.
    """
    none = NO_TUMOUR.get(convention, {})
    first = {
        here: disk for disk, here in reversed(list(_table(convention).items())) if disk not in none
    }
    return dict(sorted((disk, here) for here, disk in first.items()))


def labels_to_regions(label: NDArray[np.integer]) -> NDArray[np.uint8]:
    """Split exclusive labels (H, W, D) into overlapping binary regions (R, H, W, D), uint8."""
    return np.stack([np.isin(label, REGION_LABELS[region]) for region in REGIONS]).astype(np.uint8)


def regions_to_labels(regions: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Merge region maps into exclusive labels, enforcing ET within TC within WT.

    Args:
        regions: (R, H, W, D) boolean, in ``REGIONS`` order, possibly not nested.

    Returns:
        (H, W, D) uint8. A voxel outside WT is background whatever the other regions say.
    """
    core, whole, enhancing = (
        regions[REGIONS.index(region)].astype(bool) for region in ("TC", "WT", "ET")
    )
    core = core & whole
    label = np.where(whole, np.uint8(2), np.uint8(0))
    label[core] = 1
    label[core & enhancing] = 3
    return label


def _table(convention: str) -> Mapping[int, int]:
    if convention not in CONVENTIONS:
        raise ValueError(
            f"label convention must be one of {', '.join(CONVENTIONS)}; got {convention!r}."
        )
    return CONVENTIONS[convention]
