"""Reads lists of cases that people keep in a table (CSV) or as JSON: one row or object per case, files by modality."""

import csv
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from bundle.data.case_ids import check_distinct_ids, is_case_id
from bundle.data.json_reading import read_json
from bundle.errors import UsageError
from bundle.modalities import MODALITIES, canonical_modality
from bundle.regions import CONVENTIONS

SECTIONS = ("training", "validation", "test")
"""Parts of a JSON list in MONAI's form; the part travels with the case and decides the split."""

_WORDS = ("case_id", "label", "label_convention", "patient")
_DESCRIPTIVE = {"name", "description", "reference", "licence", "license", "release", "tensorImageSize", "labels"}
_COUNTS = {"numTraining", "numValidation", "numTest"}


class _Row(NamedTuple):
    """One entry of a list, and how messages call it."""

    place: str
    fields: Mapping[Any, Any]
    part: str | None = None


def read_datalist(path: Path) -> tuple[dict[str, Any], ...]:
    """List the cases of a ``.csv`` or ``.json`` file; relative paths start at its folder.

    A row has ``case_id``, a file for every acquired modality (an empty field or null: not acquired) and, where
    known, ``label``, ``label_convention`` and ``patient``. In JSON the rows are a list of objects, or lists named
    ``training``, ``validation`` and ``test``.

    Returns:
        One dictionary per case, ``image`` maps modality to file; ``part`` if the list has parts.

    Raises:
        UsageError: the message names the row, and the column or file that cannot be used.
    """
    rows = _csv_rows(path) if path.suffix.lower() == ".csv" else _json_rows(path)
    items = [_item(path, row) for row in rows]
    if not items:
        raise UsageError("E_DATALIST", f"{path} must list at least one case; got none. Add a row per case.")
    _check_unique(path, rows, items)
    return tuple(items)


def _csv_rows(path: Path) -> list[_Row]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            lines = csv.reader(file, strict=True)
            names = [name.strip() for name in next(lines, [])]
            _check_columns(path, names)
            return [_csv_row(path, lines.line_num, names, cells) for cells in lines if any(map(str.strip, cells))]
    except OSError as error:
        raise UsageError("E_DATALIST", f"{path} must be readable; got: {error.strerror}. Check the path.") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise UsageError("E_DATALIST", f"{path} must be a CSV table in UTF-8; got: {error}. Export it again.") from None


def _csv_row(path: Path, line: int, names: list[str], cells: list[str]) -> _Row:
    if len(cells) != len(names):
        raise _error(
            path, f"row {line}", f"must have {len(names)} fields", len(cells), "Quote fields that hold commas."
        )
    return _Row(f"row {line}", dict(zip(names, cells, strict=True)))


def _check_columns(path: Path, names: list[str]) -> None:
    columns = [_column(path, "the first row", name) for name in names]
    doubled = sorted({column for column in columns if columns.count(column) > 1})
    if doubled or "case_id" not in columns or not set(columns) & set(MODALITIES):
        raise _error(
            path,
            "the first row",
            "must name case_id and the modalities, each once",
            ", ".join(names),
            "The columns are case_id, t1n, t1c, t2w, t2f and, where known, label, label_convention, patient; "
            "separate them by commas.",
        )


def _json_rows(path: Path) -> list[_Row]:
    content = read_json(path)
    if isinstance(content, list):
        return _objects(path, content, "entry ", None)
    if not isinstance(content, dict) or not set(content) & set(SECTIONS):
        raise _error(path, "the list", "must be a list of objects, or hold 'training'", _kind(content), "Write it so.")
    unknown = sorted(set(content) - set(SECTIONS) - _DESCRIPTIVE - _COUNTS)
    if unknown:
        raise _error(path, "the list", f"must have the parts {', '.join(SECTIONS)} only", unknown, "Remove the others.")
    return [
        row for part in SECTIONS if part in content for row in _objects(path, content[part], f"{part} entry ", part)
    ]


def _objects(path: Path, entries: Any, prefix: str, part: str | None) -> list[_Row]:
    if not isinstance(entries, list):
        raise _error(path, prefix.strip(), "must stand in a list", _kind(entries), "Write one object per case.")
    rows = []
    for number, entry in enumerate(entries, start=1):
        if not isinstance(entry, dict):
            raise _error(
                path, f"{prefix}{number}", "must be an object", _kind(entry), "Name the file of each modality."
            )
        rows.append(_Row(f"{prefix}{number}", entry, part))
    return rows


def _item(path: Path, row: _Row) -> dict[str, Any]:
    texts = _texts(path, row)
    case_id = texts.get("case_id", "")
    if not is_case_id(case_id):
        raise _error(path, row.place, "must have a case_id that is a plain file name", repr(case_id), "Name the case.")
    place = f"{row.place} (case {case_id})"
    image = {modality: _file(path, place, modality, texts[modality]) for modality in MODALITIES if modality in texts}
    if not image:
        raise _error(path, place, "must name at least one modality's file", "none", "Fill in a path.")
    item: dict[str, Any] = {"case_id": case_id, "image": image}
    if "label" in texts:
        item["label"] = _file(path, place, "label", texts["label"])
    if "label_convention" in texts:
        item["label_convention"] = _convention(path, place, texts["label_convention"])
    if "patient" in texts:
        item["patient"] = texts["patient"]
    return item | ({"part": row.part} if row.part else {})


def _texts(path: Path, row: _Row) -> dict[str, str]:
    """Give the non-empty fields of a row by column; fields that are no text are refused."""
    texts: dict[str, str] = {}
    for name, value in row.fields.items():
        column = _column(path, row.place, name)
        if value is not None and not isinstance(value, str):
            raise _error(path, row.place, f"must hold text or null as {name!r}", repr(value), "Name one file.")
        if value is None or not value.strip():
            continue
        if column in texts:
            raise _error(path, row.place, f"must name {column} once", f"also {name!r}", "Remove one.")
        texts[column] = value.strip()
    return texts


def _column(path: Path, place: str, name: str) -> str:
    if name in _WORDS:
        return name
    try:
        return canonical_modality(name)
    except ValueError:
        known = ", ".join((*_WORDS[:1], *MODALITIES, *_WORDS[1:]))
        raise _error(path, place, f"must have the columns {known} only", repr(name), "Rename or remove it.") from None


def _file(path: Path, place: str, column: str, text: str) -> Path:
    file = path.parent / text
    if not file.is_file():
        remedy = f"Correct the path; a relative one starts at {path.parent}. Leave the field empty if there is none."
        raise _error(path, place, f"must name an existing file as {column}", str(file), remedy)
    return file


def _convention(path: Path, place: str, name: str) -> str:
    if name not in CONVENTIONS:
        known = ", ".join(CONVENTIONS)
        raise _error(path, place, f"must have one of {known} as label_convention", repr(name), "Choose one.")
    return name


def _check_unique(path: Path, rows: Iterable[_Row], items: list[dict[str, Any]]) -> None:
    places: dict[str, str] = {}
    for row, item in zip(rows, items, strict=True):
        case_id = item["case_id"]
        if case_id in places:
            both = f"{case_id} in {places[case_id]} and {row.place}"
            raise UsageError("E_DATALIST", f"{path}: every case_id must stand once; got {both}. Rename one.")
        places[case_id] = row.place
    check_distinct_ids(places)


def _kind(value: Any) -> str:
    return f"{value!r:.60}" if isinstance(value, str | int | float | None) else type(value).__name__


def _error(path: Path, place: str, rule: str, got: Any, remedy: str) -> UsageError:
    return UsageError("E_DATALIST", f"{path}: {place} {rule}; got {got}. {remedy}")
