"""The file of an exam reference; it lies beside the weights."""

from pathlib import Path
from typing import Any

from bundle.cases.exam_reference import ExamReference, Usual, Usuals
from bundle.errors import SetupError
from bundle.files.json_file import read_json
from bundle.tasks.task import Task
from bundle.weights.beside import AUTO, chosen_file, used_sha256

ENDING = ".reference.json"
_WAY_OUT = "Run simmlm reference with these weights, or set exam_reference=none."


def load_reference(
    chosen: str | Path, checkpoint: Path | str, weights_sha256: str, task: Task
) -> ExamReference | None:
    """Load the exam reference of weights.

    Args:
        chosen: ``none``; ``auto``, what lies beside the weights, if it is theirs; or a file.
        checkpoint: the weights.
        weights_sha256: their checksum.
        task: of the network.

    Returns:
        None where there is none.

    Raises:
        SetupError: E_REFERENCE, a file is missing, unreadable, or of other weights or another task.
    """
    path = chosen_file(chosen, checkpoint, ENDING)
    if path is None:
        return None
    if not path.is_file():
        raise SetupError("E_REFERENCE", f"There is no exam reference {path}. {_WAY_OUT}")
    found = _read(path)
    if found.weights_sha256 != weights_sha256 and str(chosen) == AUTO:
        return None  # newer weights were put in the place of those that it is of
    if found.weights_sha256 != weights_sha256 or found.task != task.name:
        raise SetupError(
            "E_REFERENCE",
            f"The exam reference {path} must be of the weights {checkpoint} and the task"
            f" {task.name}; it is of others: task {found.task}, SHA-256"
            f" {found.weights_sha256[:12]}... {_WAY_OUT}",
        )
    return found


def reference_sha256(
    reference: ExamReference | None, chosen: str | Path, checkpoint: Path | str
) -> str | None:
    """Return the checksum of the file of a reference that was loaded; None for none."""
    return used_sha256(reference, chosen, checkpoint, ENDING)


def _read(path: Path) -> ExamReference:
    content = read_json(path)
    try:
        usuals = content.pop("usuals")
        return ExamReference(
            usuals=Usuals(
                Usual(*usuals["log_volume"]),
                {name: Usual(*numbers) for name, numbers in usuals["alone"].items()},
                {names: Usual(*numbers) for names, numbers in usuals["pairs"].items()},
            ),
            **{**content, "volumes_ml": _two(content["volumes_ml"])},
        )
    except (TypeError, ValueError, AttributeError, KeyError) as error:
        raise SetupError(
            "E_REFERENCE",
            f"The exam reference {path} must be a file of simmlm reference; got {error}."
            f" {_WAY_OUT}",
        ) from None


def _two(values: Any) -> tuple[float, float]:
    low, high = values
    return float(low), float(high)
