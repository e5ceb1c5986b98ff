"""A task with other numbers and names than the default, for tests of what knows neither."""

from bundle.tasks.numberings import Numbering
from bundle.tasks.task import Label, Modality, Region, Task

SMALL_TASK = Task(
    name="small",
    title="Lesions",
    finding="lesion",
    modalities=(Modality("ct", "CT", ("ct",)), Modality("pet", "PET", ("pet", "suv"))),
    labels=(Label(1, "lesion", "#ff5a1f"),),
    regions=(Region("lesion", "lesion", (1,), "#0072b2"),),
    numberings={"plain": Numbering("plain", {1: 1})},
    shown_first=("pet", "ct"),
    opened_first=("ct", "pet"),
)
"""Two modalities, one region of one label."""
