"""The file of an exam reference; it lies beside the weights."""

from pathlib import Path
from typing import Any

from bundle.cases.exam_reference import ExamReference, Usual, Usuals
from bundle.tasks.task import Task
from bundle.weights.beside import FilesBeside


def load_reference(
    chosen: str | Path, checkpoint: Path | str, weights_sha256: str, task: Task
) -> ExamReference | None:
    """Load the exam reference of weights, as ``FilesBeside.load`` does.

    Args:
        chosen: value of the setting ``exam_reference``.
        checkpoint: the weights.
        weights_sha256: their checksum.
        task: of the network.

    Raises:
        SetupError: E_REFERENCE.
    """
    return REFERENCES.load(chosen, checkpoint, weights_sha256, task)


def reference_sha256(
    reference: ExamReference | None, chosen: str | Path, checkpoint: Path | str
) -> str | None:
    """Return the checksum of the file of a reference that was loaded; None for none."""
    return REFERENCES.used_sha256(reference, chosen, checkpoint)


def _parsed(content: Any) -> ExamReference:
    usuals = content.pop("usuals")
    low, high = content.pop("volumes_ml")
    return ExamReference(
        usuals=Usuals(
            Usual(*usuals["log_volume"]),
            {name: Usual(*numbers) for name, numbers in usuals["alone"].items()},
            {names: Usual(*numbers) for names, numbers in usuals["pairs"].items()},
        ),
        volumes_ml=(low, high),
        **content,
    )


REFERENCES = FilesBeside(
    what="exam reference",
    ending=".reference.json",
    command="simmlm reference",
    setting="exam_reference",
    code="E_REFERENCE",
    parse=_parsed,
)
