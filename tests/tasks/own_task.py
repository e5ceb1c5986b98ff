"""A task that no file of the project declares, so that nothing can have been written for it."""

from pathlib import Path

from bundle.tasks.task import Task
from bundle.tasks.task_file import load_task

DECLARATION = """
name: infarcts
title: Infarcts
finding: infarct
outside: {outside}
skull_stripped: {skull_stripped}
modalities:
  pd: {{title: PD}}
  dwi: {{title: DWI, aliases: [diffusion], words: [dwi, diff], examples: [DWI]}}
labels:
  1: {{name: core of infarct, colour: "#ff5a1f", words: core}}
  2: {{name: rim of infarct, colour: "#f0e442", words: rim}}
regions:
  IN: {{title: infarct, labels: [1, 2], colour: "#009e73", words: infarct}}
  CO: {{title: core, labels: [1], colour: "#0072b2", words: core}}
numberings: {numberings}
"""

ONE_NUMBERING = "{plain: {values: {1: 1, 2: 2}, decathlon: {1: rim, 2: core}}}"
TWO_NUMBERINGS = """
  plain: {values: {1: 1, 2: 2}, ending: "-"}
  turned: {values: {1: 2, 2: 1}, others: {7: an old scar}, others_words: scar, decathlon: {1: rim, 2: core}}
"""


def declared(
    folder: Path,
    *,
    outside: str = "zero",
    skull_stripped: str = "false",
    numberings: str = TWO_NUMBERINGS,
) -> Task:
    """Declare the task in a folder and load it."""
    file = folder / "infarcts.yaml"
    text = DECLARATION.format(outside=outside, skull_stripped=skull_stripped, numberings=numberings)
    file.write_text(text, encoding="utf-8")
    return load_task(file)
