"""Reads lists of cases that people keep in a table (CSV) or as JSON: one row or object per case,
files by modality.
"""

import logging
from collections import Counter
from pathlib import Path
from typing import Any

from bundle.datasets.list_columns import (
    CASE_ID,
    IMAGE,
    LABEL,
    canonical_column,
    describe_ignored,
    image_columns,
)
from bundle.datasets.list_entries import Entry, problem, read_entry, starts_of
from bundle.datasets.list_objects import json_entries
from bundle.errors import CaseError, UsageError
from bundle.files.table_file import ENDINGS, read_table
from bundle.files.text_file import shown
from bundle.tasks.task import Task

MAX_CASES = 1_000_000

LOGGER = logging.getLogger("simmlm")


def read_datalist(path: Path, task: Task) -> tuple[dict[str, Any], ...]:
    """List the cases of a ``.csv``, ``.tsv`` or ``.json`` file; relative paths start at its folder.

    A row has ``case_id``, a file for every acquired modality (an empty field or null: not acquired)
    and, where known, ``label``, ``label_convention``, ``patient`` and ``fold``. Instead of
    modalities it may have ``image``: one file, with the ``modalities`` of its volumes, or in JSON a
    list of files whose names say what they hold. In JSON the rows are a list of objects, or lists
    named ``training``, ``validation`` and ``test``, as MONAI has them. A warning names columns that
    nobody reads.

    Returns:
        One dictionary per case, see ``list_entries.read_entry``; a row that cannot be used becomes
        a case with ``problem``. Cases of the same name are all such.

    Raises:
        UsageError: the list as a whole cannot be used.
    """
    ignored: Counter[str] = Counter()
    read = _table_entries if path.suffix.lower() in ENDINGS else json_entries
    entries = read(path, ignored, task)
    if not 0 < len(entries) <= MAX_CASES:
        raise _error(
            path,
            f"must list 1 to {MAX_CASES} cases",
            str(len(entries)),
            "Add a row per case, or divide it.",
        )
    if ignored:
        unread = describe_ignored(ignored, task)
        LOGGER.warning("%s: columns that are not read: %s", shown(path), unread)
    starts = starts_of(path)
    items = [read_entry(path, entry, starts, task) for entry in entries]
    _mark_doubled(path, entries, items)
    _name_unnamed(entries, items)
    return tuple(items)


def _table_entries(path: Path, ignored: Counter[str], task: Task) -> list[Entry]:
    rows = read_table(path, lambda name: canonical_column(name, task) is not None)
    _, names = next(rows, (0, []))
    while names and not names[-1]:
        names.pop()
    columns = [canonical_column(name, task) for name in names]
    _check_columns(path, names, columns, task)
    ignored.update(name for name, column in zip(names, columns, strict=True) if column is None)
    return [_row(line, columns, cells) for line, cells in rows]


def _check_columns(path: Path, names: list[str], columns: list[str | None], task: Task) -> None:
    faults = [
        f"{column} twice" for column, count in Counter(filter(None, columns)).items() if count > 1
    ]
    faults += [] if CASE_ID in columns else ["no case_id"]
    if not set(columns) & {*image_columns(task), LABEL}:  # labels alone judge other people's maps
        faults.append("no modality")
    if faults:
        raise _error(
            path,
            "must name case_id and the modalities, each once, in its first row",
            f"{', '.join(faults)} in {shown(', '.join(names), 200)!r}",
            f"The columns are case_id, {', '.join(task.modality_names)} and, where known, label,"
            " label_convention, patient, fold; separate them by commas, semicolons or tabs.",
        )


def _row(line: int, columns: list[str | None], cells: list[str]) -> Entry:
    named = zip(columns, cells, strict=False)
    fields = {column: cell for column, cell in named if column == CASE_ID or (column and cell)}
    if len(cells) >= len(columns) and not any(cells[len(columns) :]):
        return Entry(f"row {line}", fields)
    words = (
        f"the row must have {len(columns)} fields; got {len(cells)}. Quote fields that hold a"
        " separator."
    )
    return Entry(f"row {line}", fields, None, words)


def _mark_doubled(path: Path, entries: list[Entry], items: list[dict[str, Any]]) -> None:
    """Make cases fail whose results would go into one folder: nobody knows which of them a result
    is of.
    """
    numbers_of: dict[str, list[int]] = {}
    for number, item in enumerate(items):
        if item[CASE_ID]:
            numbers_of.setdefault(item[CASE_ID].lower(), []).append(number)
    for numbers in numbers_of.values():
        if len(numbers) == 1:
            continue
        got = _some([f"{items[number][CASE_ID]} in {entries[number].place}" for number in numbers])
        words = (
            f"every case_id must stand once, and differ in more than case; got {got}. Rename one."
        )
        for number in numbers:
            item = items[number]
            doubled = problem(
                path, entries[number].place, item[CASE_ID], [CaseError("E_CASE_ID", words)]
            )
            items[number] = {"problem": doubled, **item, IMAGE: {}, CASE_ID: ""}


def _name_unnamed(entries: list[Entry], items: list[dict[str, Any]]) -> None:
    """Call cases without a name of their own by their place in the list."""
    taken = {item[CASE_ID].lower() for item in items}
    for entry, item in zip(entries, items, strict=True):
        if not item[CASE_ID]:
            name = entry.place.replace(" ", "-")
            while name in taken:
                name += "_"
            item[CASE_ID] = name


def _some(texts: list[str], most: int = 4) -> str:
    more = f" and {len(texts) - most} more" if len(texts) > most else ""
    return " and ".join(texts[:most]) + more


def _error(path: Path, rule: str, got: str, remedy: str) -> UsageError:
    return UsageError("E_DATALIST", f"{shown(path)} {rule}; got {got}. {remedy}")
