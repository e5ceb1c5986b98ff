"""A task with other numbers and another order than the default, for tests of what knows neither."""

from bundle.tasks.numberings import Numbering
from bundle.tasks.parts import Label, Modality, Region
from bundle.tasks.task import Task

SMALL_TASK = Task(
    name="small",
    title="Lesions",
    finding="lesion",
    modalities=(Modality("t2f", "FLAIR", ("t2f", "flair")), Modality("t1n", "T1", ("t1n",))),
    labels=(Label(1, "lesion", "#ff5a1f"),),
    regions=(Region("lesion", "lesion", (1,), "#0072b2"),),
    numberings={"plain": Numbering("plain", {1: 1})},
    shown_first=("t2f", "t1n"),
    opened_first=("t1n", "t2f"),
)
"""Two modalities, one region of one label."""
