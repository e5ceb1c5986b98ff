"""A task that shares nothing with the default one but two modalities."""

from dataclasses import replace

from bundle.tasks.default import DEFAULT_TASK
from bundle.tasks.numberings import Numbering
from bundle.tasks.parts import Label, Region

LESIONS = replace(
    DEFAULT_TASK,
    name="lesions",
    finding="lesion",
    modalities=DEFAULT_TASK.modalities[2:],
    labels=(Label(1, "white matter lesion", "#ff0000"),),
    regions=(Region("LES", "lesion", (1,), "#ff0000"),),
    numberings={"plain": Numbering("plain", {7: 1})},
    collections=(),
    doubtful={},
    outlined_first=(),
    anatomy=None,
    shown_first=("t2w", "t2f"),
    opened_first=("t2f", "t2w"),
)
"""Modalities t2w and t2f, one label, one region LES, and a numbering in which a lesion is 7."""
