"""Reads the declaration of a task: ``configs/tasks/NAME.yaml``, or a file of the user's own."""

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import yaml

from bundle.errors import SetupError
from bundle.files.yaml_file import read_yaml
from bundle.plain_text import printable
from bundle.tasks.numberings import Collection, Numbering
from bundle.tasks.parts import Label, Modality, Region
from bundle.tasks.series_rules import read_kinds
from bundle.tasks.task import Task

FOLDER = Path(__file__).resolve().parents[2] / "configs" / "tasks"
"""Where the declarations of the bundle lie, one file each."""

_MAX_BYTES = 1_000_000


def load_task(source: str | Path) -> Task:
    """Read a task by its name, or from a file with the ending ``.yaml``, ``.yml`` or ``.json``.

    Raises:
        SetupError: E_TASK, there is no such task, or its file does not say what it must.
    """
    path = _path(source)
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise _error(path, f"must have at most {_MAX_BYTES} bytes", path.stat().st_size)
        content = read_yaml(path)
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
        raise _error(path, "must be a readable YAML file", error) from error
    if not isinstance(content, dict):
        raise _error(path, "must hold the task's keys", type(content).__name__)
    try:
        return _task(path, content)
    except (TypeError, ValueError, AttributeError) as error:
        raise _error(path, "must declare a task", error) from error


def task_names() -> tuple[str, ...]:
    """List the tasks that the bundle declares."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.yaml")))


def _path(source: str | Path) -> Path:
    if Path(source).suffix.lower() in (".yaml", ".yml", ".json"):
        return Path(source)
    if str(source) not in task_names():
        known = ", ".join(task_names())
        raise SetupError(
            "E_TASK",
            f"The task must be one of {known}, or a .yaml file; got {printable(repr(source))}."
            " docs/tasks.md says how to declare one.",
        )
    return FOLDER / f"{source}.yaml"


def _task(path: Path, content: Mapping[str, Any]) -> Task:
    known = {field.name for field in fields(Task)}
    unknown = sorted(str(key) for key in set(content) - known)
    if unknown:
        raise _error(path, f"must have no other keys than {', '.join(sorted(known))}", unknown)
    parts = dict(content)
    for key, kind in (("modalities", Modality), ("regions", Region), ("numberings", Numbering)):
        parts[key] = _named(path, key, kind, content.get(key))
    parts["labels"] = _labels(path, content.get("labels"))
    parts["numberings"] = {numbering.name: numbering for numbering in parts["numberings"]}
    parts["collections"] = tuple(
        _built(path, "collections", Collection, entry) for entry in content.get("collections", ())
    )
    parts["families"] = _tuples(content.get("families", {}))
    parts["finding_words"] = tuple(content.get("finding_words", ()))
    parts["doubtful"] = _tuples(content.get("doubtful", {}))
    for key in ("shown_first", "opened_first"):
        parts[key] = tuple(content.get(key) or content["modalities"])
    parts["outlined_first"] = tuple(content.get("outlined_first", ()))
    parts["series"] = read_kinds(content.get("series", {}))
    if content.get("anatomy") is not None:
        parts["anatomy"] = tuple(content["anatomy"])
    return Task(**parts)


def _named(path: Path, key: str, kind: type, entries: Any) -> tuple[Any, ...]:
    """Build parts of which each is declared under its name."""
    if not isinstance(entries, dict) or not entries:
        raise _error(path, f"{key} must map names to what they are", entries)
    return tuple(_built(path, key, kind, {"name": name, **entries[name]}) for name in entries)


def _labels(path: Path, entries: Any) -> tuple[Label, ...]:
    if not isinstance(entries, dict) or not entries:
        raise _error(path, "labels must map values to what they are", entries)
    numbered = _numbered(entries)
    return tuple(
        _built(path, "labels", Label, {"value": value, **numbered[value]}) for value in numbered
    )


def _built(path: Path, key: str, kind: type, entry: Mapping[str, Any]) -> Any:
    try:
        return kind(**_tuples(entry))
    except TypeError as error:
        raise _error(path, f"every entry of {key} must have its keys", error) from error


def _tuples(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return a mapping with lists as tuples, so that nobody changes them, and numbers as keys."""
    made: dict[str, Any] = {}
    for key, value in entry.items():
        if isinstance(value, list):
            made[key] = tuple(value)
        else:
            made[key] = _numbered(value) if isinstance(value, dict) else value
    return made


def _numbered(entries: Mapping[Any, Any]) -> dict[Any, Any]:
    """Return a mapping with numbers for keys that are digits, as JSON has to write them."""
    return {
        int(key) if isinstance(key, str) and key.isdecimal() else key: value
        for key, value in entries.items()
    }


def _error(path: Path, rule: str, got: Any) -> SetupError:
    text = printable(str(got))
    return SetupError("E_TASK", f"Task file {path} {rule}; got {text}. Correct the file.")
