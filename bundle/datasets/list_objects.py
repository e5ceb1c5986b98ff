"""Takes lists of cases as JSON apart: a list of objects, or several under the names of MONAI's
parts.
"""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from bundle.datasets.list_columns import CASE_ID, IMAGE, canonical_column
from bundle.datasets.list_entries import Entry
from bundle.errors import UsageError
from bundle.files.json_file import read_json
from bundle.files.text_file import shown
from bundle.tasks.task import Task

SECTIONS = ("training", "validation", "test")
"""Parts of a JSON list in MONAI's form; the part travels with the case and decides the split."""

_SECTION_NAMES = {
    **{name: name for name in SECTIONS},
    "train": "training",
    "val": "validation",
    "testing": "test",
}
_DESCRIPTIVE = {
    "name",
    "description",
    "reference",
    "licence",
    "license",
    "release",
    "tensorImageSize",
    "labels",
}
_COUNTS = {"numTraining", "numValidation", "numTest"}
_OTHER_IDS = ("id", "name")


def json_entries(path: Path, ignored: Counter[str], task: Task) -> list[Entry]:
    """Read the entries of a JSON list.

    Args:
        path: the list.
        ignored: counts the keys that are not understood.
        task: whose modalities the keys may be.

    Raises:
        UsageError: it is no list of cases.
    """
    content = read_json(path)
    if isinstance(content, list):
        return _objects(content, "entry ", None, ignored, task)
    sections = _SECTION_NAMES.keys() & content.keys() if isinstance(content, dict) else set()
    faults = [
        f"{_kind(content[name])} as {name!r}"
        for name in sorted(sections)
        if not isinstance(content[name], list)
    ]
    if not sections or faults:
        example = task.example.name
        raise UsageError(
            "E_DATALIST",
            f"{shown(path)} must be a list of objects, or hold lists of them named"
            f" {', '.join(SECTIONS)}; got {', '.join(faults) or _kind(content)}. Write one object"
            f' per case, such as {{"training": [{{"case_id": "a", "{example}":'
            f' "a-{example}.nii.gz"}}]}}.',
        )
    ignored.update(sorted(content.keys() - sections - _DESCRIPTIVE - _COUNTS))
    named = [(name, part) for name, part in _SECTION_NAMES.items() if name in sections]
    entries: list[Entry] = []
    for name, part in named:
        entries += _objects(content[name], f"{name} entry ", part, ignored, task)
    return entries


def _objects(
    entries: Iterable[Any], prefix: str, part: str | None, ignored: Counter[str], task: Task
) -> list[Entry]:
    return [
        _object(value, f"{prefix}{number}", part, ignored, task)
        for number, value in enumerate(entries, start=1)
    ]


def _object(value: Any, place: str, part: str | None, ignored: Counter[str], task: Task) -> Entry:
    """Take one object apart; of a text, which MONAI's test part may have, it is the image."""
    if not isinstance(value, dict | str):
        complaint = (
            f"the entry must be an object; got {_kind(value)}. Name the file of each modality."
        )
        return Entry(place, {}, part, complaint)
    pairs = [(IMAGE, value)] if isinstance(value, str) else list(value.items())
    given = next((content for name, content in pairs if name == IMAGE), None)
    if isinstance(given, dict):
        pairs = [pair for pair in pairs if pair[0] != IMAGE] + list(given.items())
    named = _columns(pairs, task)
    ignored.update(name for name, column, _ in named if column is None)
    filled = [
        (column, content) for _, column, content in named if column and not _is_empty(content)
    ]
    fields = {CASE_ID: ""} if any(column == CASE_ID for _, column, _ in named) else {}
    counts = Counter(column for column, _ in filled)
    doubled = sorted(column for column, count in counts.items() if count > 1)
    complaint = (
        f"every column must be given once; got {', '.join(doubled)} twice. Remove one."
        if doubled
        else ""
    )
    return Entry(place, fields | dict(filled), part, complaint)


def _columns(pairs: list[tuple[str, Any]], task: Task) -> list[tuple[str, str | None, Any]]:
    """Return key, column and content.

    Without a ``case_id`` the first of other names for it stands in.
    """
    columns = {name: canonical_column(name, task) for name, _ in pairs}
    if CASE_ID not in columns.values():
        columns |= dict.fromkeys([name for name in _OTHER_IDS if name in columns][:1], CASE_ID)
    return [
        (name, columns[name], content.strip() if isinstance(content, str) else content)
        for name, content in pairs
    ]


def _is_empty(content: Any) -> bool:
    return content is None or content in ("", [])


def _kind(value: Any) -> str:
    return (
        shown(repr(value), 60)
        if isinstance(value, str | int | float | None)
        else type(value).__name__
    )
