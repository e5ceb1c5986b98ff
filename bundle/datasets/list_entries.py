"""Turns one entry of a list, a row or an object, into a case.

One that cannot be used becomes a failed case.
"""

import errno
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from bundle.datasets.list_columns import CASE_ID, IMAGE, LABEL, image_columns
from bundle.errors import CaseError
from bundle.files.text_file import shown
from bundle.names.case_ids import MAX_ID_BYTES, is_case_id
from bundle.names.file_names import case_name, name_listed
from bundle.plain_text import printable
from bundle.tasks.task import Task

_DESCRIPTIONS = ("modalities", "label_convention", "patient", "fold")

Fields = Mapping[str, Any]
Folders = tuple[Path, ...]


class Entry(NamedTuple):
    """One entry of a list.

    Attributes:
        place: where it stands, for messages: ``row 3``, ``training entry 2``.
        fields: column of ``list_columns`` to content; what is empty is left out, but for
            ``case_id``.
        part: of the data set, where the list has parts.
        complaint: why the entry cannot even be read, empty if it can.
    """

    place: str
    fields: Fields
    part: str | None = None
    complaint: str = ""


def starts_of(source: Path) -> Folders:
    """Return the folders at which relative paths of a list may start: its own, and that of what it
    is a link to.
    """
    own = [source.parent]
    return (*own, source.resolve().parent) if source.is_symlink() else tuple(own)


def read_entry(source: Path, entry: Entry, starts: Folders, task: Task) -> dict[str, Any]:
    """Return the case that an entry describes.

    A label that is missing is no problem yet: only training and evaluation read it, and refuse it
    then.

    Args:
        source: the list, for messages.
        entry: one of its entries.
        starts: where relative paths start; the first folder counts that has the file.
        task: whose modalities and numberings it names.

    Returns:
        ``case_id``, empty where it has no usable one; ``image``, a mapping from modality to file,
        or one file; what else the entry says; and for an entry that cannot be used ``problem``,
        which names all that is wrong with it.
    """
    complaints = [CaseError("E_DATALIST", entry.complaint)] if entry.complaint else []
    columns = image_columns(task)
    files = {name: text for name, text in entry.fields.items() if name in columns}
    image = {} if complaints else _images(starts, files, complaints, task)
    case_id = _case_id(entry, image, complaints, task)
    item = {CASE_ID: case_id, IMAGE: image, **_extras(starts, entry, complaints, task)}
    if not complaints:
        item[IMAGE] = _named(image, item, complaints, task)
    if complaints:
        item |= {IMAGE: {}, "problem": problem(source, entry.place, case_id, complaints)}
    return item


def problem(source: Path, place: str, case_id: str, complaints: list[CaseError]) -> CaseError:
    """Join what is wrong with an entry into one error."""
    where = f"{shown(source)}, {place}" + (f" (case {case_id})" if case_id else "")
    return CaseError(complaints[0].code, f"{where}: " + " ".join(map(str, complaints)))


def _images(starts: Folders, files: Fields, complaints: list[CaseError], task: Task) -> Any:
    """Return modality to file, a list of files or one file, as the entry names them."""
    named = {name: files[name] for name in task.in_order(files)}
    if IMAGE in files and named:
        complaints.append(
            _odd(
                f"images must be named once; got {IMAGE} and {', '.join(named)}. Remove one of"
                " both."
            )
        )
    elif isinstance(files.get(IMAGE), list):
        return [_file(starts, IMAGE, text, complaints) for text in files[IMAGE]]
    elif IMAGE in files:
        return _file(starts, IMAGE, files[IMAGE], complaints)
    elif not named:
        words = "at least one modality's file must be named; got none. Fill in a path."
        complaints.append(CaseError("E_NO_MODALITY", words))
    return {modality: _file(starts, modality, text, complaints) for modality, text in named.items()}


def _named(image: Any, item: Mapping[str, Any], complaints: list[CaseError], task: Task) -> Any:
    """Find out by their names which modalities listed files hold.

    One file of several volumes stays as it is.
    """
    if isinstance(image, Mapping) or "modalities" in item:
        return image
    files = image if isinstance(image, list) else [image]
    try:
        return dict(name_listed(files, item[CASE_ID], task))
    except CaseError as error:
        if not isinstance(image, list):
            return image  # with the option --modalities it is known; without it, reading it says so
        complaints.append(error)
        return {}


def _file(starts: Folders, column: str, text: Any, complaints: list[CaseError]) -> Path:
    if not isinstance(text, str):
        complaints.append(
            _odd(
                f"{column} must be the path of a file; got {shown(repr(text), 60)}. Name one file."
            )
        )
        return starts[0]
    file = _path(starts, text)
    fault = _fault(file)
    if fault:
        places = " or ".join(map(shown, starts))
        remedy = (
            f"Correct the path; a relative one starts at {places}. Leave it empty if there is none."
        )
        words = f"{column} must name an existing file; got {shown(file)}, {fault}. {remedy}"
        complaints.append(CaseError("E_MISSING", words))
    return file


def _path(starts: Folders, text: str) -> Path:
    """Return the file that a path means, or what comes first where there is none."""
    text = os.path.expanduser(text) if text.startswith("~") else text  # noqa: PTH111 it leaves the home of nobody alone
    texts = (
        (text, text.replace("\\", "/")) if "\\" in text else (text,)
    )  # a list that Windows wrote
    places = [folder / path for path in texts for folder in starts]
    return (
        places[0]
        if len(places) == 1
        else next((place for place in places if not _fault(place)), places[0])
    )


def _fault(file: Path) -> str:
    """Say why a path names no file, empty if it does."""
    try:
        mode = file.stat().st_mode
    except OSError as error:
        missing = error.errno in (errno.ENOENT, errno.ENOTDIR)
        if missing and file.is_symlink():
            return "a link to what is not there (git-annex: get it first)"
        return "which is none" if missing else f"which cannot be opened: {error.strerror}"
    except ValueError:
        return "which no file can be called"
    return "" if stat.S_ISREG(mode) else "a folder" if stat.S_ISDIR(mode) else "a pipe or a device"


def _case_id(entry: Entry, image: Any, complaints: list[CaseError], task: Task) -> str:
    """Return the case's name, or empty text and a complaint."""
    if CASE_ID not in entry.fields:
        files = (
            list(image.values())
            if isinstance(image, Mapping)
            else image
            if isinstance(image, list)
            else [image]
        )
        case_id = _common_name(files, task)
        got = "no case_id, and file names that do not share one"
    else:
        case_id = _as_text(entry.fields[CASE_ID])
        got = shown(repr(entry.fields[CASE_ID]), 60)
    if _is_safe(case_id):
        return case_id
    if not entry.complaint:
        rule = f"case_id must be a plain file name of printable letters, up to {MAX_ID_BYTES} bytes"
        complaints.append(CaseError("E_CASE_ID", f"{rule}; got {got}. Name the case."))
    return ""


def _as_text(value: Any) -> str:
    """Take a text or a whole number as text, and nothing else."""
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""


def _common_name(files: list[Path], task: Task) -> str:
    names = {case_name(file, task=task) for file in files}
    return names.pop() if len(names) == 1 else ""


def _is_safe(case_id: str) -> bool:
    return is_case_id(case_id) and printable(case_id) == case_id


def _extras(
    starts: Folders, entry: Entry, complaints: list[CaseError], task: Task
) -> dict[str, Any]:
    """Return what an entry says besides its images: label, numbering, patient, volumes, fold and
    part.
    """
    extras: dict[str, Any] = {}
    for name in [name for name in _DESCRIPTIONS if name in entry.fields]:
        value = entry.fields[name]
        value = (
            ",".join(map(str, value)) if name == "modalities" and isinstance(value, list) else value
        )
        text = _as_text(value)
        if text:
            extras[name] = int(text) if name == "fold" and text.isdecimal() else shown(text, 200)
        else:
            complaints.append(
                _odd(f"{name} must be text; got {shown(repr(value), 60)}. Write one word.")
            )
    if "label_convention" in extras and extras["label_convention"] not in task.numberings:
        known, got = ", ".join(task.numberings), shown(repr(extras.pop("label_convention")), 60)
        complaints.append(_odd(f"label_convention must be one of {known}; got {got}. Choose one."))
    label = entry.fields.get(LABEL)
    if isinstance(label, str):
        extras[LABEL] = _label(starts, label)
    elif label is not None:
        complaints.append(
            _odd(f"label must be the path of a file; got {shown(repr(label), 60)}. Name one file.")
        )
    return extras | ({"part": entry.part} if entry.part else {})


def _label(starts: Folders, text: str) -> Path:
    """Return the path of a label.

    What can be no path becomes one that is not there, to be refused where it is read.
    """
    file = _path(starts, text)
    try:
        file.lstat()
    except FileNotFoundError:
        return file
    except (OSError, ValueError) as error:
        possible = isinstance(error, OSError) and error.errno != errno.ENAMETOOLONG
        return file if possible else starts[0] / shown(text, 100)
    return file


def _odd(words: str) -> CaseError:
    return CaseError("E_DATALIST", words)
