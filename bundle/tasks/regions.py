"""Regions, labels and numberings of the default task, for code that knows no other."""

import numpy as np
from numpy.typing import NDArray

from bundle.tasks.default import DEFAULT_TASK
from bundle.tasks.task import THRESHOLD as THRESHOLD

REGIONS = DEFAULT_TASK.region_names
LABEL_NAMES = DEFAULT_TASK.label_names
REGION_LABELS = {region.name: region.labels for region in DEFAULT_TASK.regions}
CONVENTIONS = {name: numbering.table for name, numbering in DEFAULT_TASK.numberings.items()}
NO_TUMOUR = {
    name: numbering.others
    for name, numbering in DEFAULT_TASK.numberings.items()
    if numbering.others
}
JOINED = {
    name: numbering.note for name, numbering in DEFAULT_TASK.numberings.items() if numbering.note
}
labels_to_regions = DEFAULT_TASK.labels_to_regions
regions_to_labels = DEFAULT_TASK.regions_to_labels


def from_convention(label: NDArray[np.integer], convention: str) -> NDArray[np.uint8]:
    """Renumber a label map of a declared convention."""
    return DEFAULT_TASK.numbering(convention).read(label)


def to_convention(label: NDArray[np.integer], convention: str) -> NDArray[np.uint8]:
    """Renumber a label map of this project for a convention."""
    return DEFAULT_TASK.numbering(convention).write(label)


def written_values(convention: str) -> dict[int, int]:
    """Return the values that label maps of a convention are written with."""
    return DEFAULT_TASK.numbering(convention).written
