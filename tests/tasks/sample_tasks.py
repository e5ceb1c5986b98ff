"""Tasks that no disease has, for what the shipped ones do not show."""

from typing import Any

from bundle.tasks.numberings import Numbering
from bundle.tasks.parts import Label, Modality, Region
from bundle.tasks.task import Task

WHITE = "#ffffff"


def make_task(regions: dict[str, tuple[int, ...]], /, **changed: Any) -> Task:
    """Build a task of some regions, with as many labels as they speak of."""
    n_labels = max(value for labels in regions.values() for value in labels)
    parts = {
        "name": "sample",
        "title": "Sample",
        "finding": "lesion",
        "modalities": (Modality("ct", "CT"), Modality("pet", "PET")),
        "labels": tuple(Label(n, f"label {n}", WHITE) for n in range(1, n_labels + 1)),
        "regions": tuple(Region(name, name, labels, WHITE) for name, labels in regions.items()),
        "numberings": {"plain": Numbering("plain", {n: n for n in range(1, n_labels + 1)})},
        "shown_first": ("ct", "pet"),
        "opened_first": ("ct", "pet"),
    }
    return Task(**(parts | changed))


CHAIN = {"outer": (1, 2, 3), "middle": (2, 3), "inner": (3,)}
"""Each region within the one before."""
SIBLINGS = {"left": (1,), "right": (2,)}
"""Two regions that share nothing."""
FAMILY = {"all": (1, 2, 3), "left": (2,), "right": (3,)}
"""Two regions that share nothing, within a third."""
CROSSING = {"first": (1, 2), "second": (2, 3)}
"""Two regions of which neither holds the other."""
