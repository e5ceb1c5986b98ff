"""Files and folders that are there as a whole or not at all."""

import contextlib
import csv
import errno
import io
import os
import secrets
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from bundle.errors import OutputError
from bundle.plain_text import printable

if sys.platform != "win32":
    import fcntl

PREFIX = ".simmlm-"
"""Begins the name of everything temporary; the process that writes it holds a lock on it."""

_CAUSES = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the quota is used up",
    errno.EACCES: "no permission to write there",
    errno.EPERM: "no permission to write there",
    errno.EROFS: "the file system is read-only",
    errno.ENOENT: "the folder does not exist",
    errno.ENOTDIR: "a part of the path is a file, not a folder",
    errno.EISDIR: "a folder has that name",
    errno.EEXIST: "a file has that name",
    errno.EFBIG: "the file would be larger than the system allows",
    errno.ENAMETOOLONG: "the name is too long for the file system",
}

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@contextlib.contextmanager
def appearing_at_once(path: Path) -> Iterator[BinaryIO]:
    """Return a file to write to that gets its name only if everything went well, and then lasts.

    An older file of that name stays until then. After ``kill -9`` a hidden ``.simmlm-….tmp`` may be
    left.

    Raises:
        OutputError: E_WRITE, nothing is left behind.
    """
    try:
        with whole_file(path) as file:
            yield file
    except OSError as error:
        raise OutputError(
            "E_WRITE",
            f"{path} must be writable; got an error: {cause_of(error)}. Mend that and run again;"
            " nothing was left behind.",
        ) from error


@contextlib.contextmanager
def whole_file(path: Path, *, ending: str = ".tmp") -> Iterator[BinaryIO]:
    """Do what `appearing_at_once` does, for those who have their own way to say that it failed.

    Args:
        path: in a folder that exists.
        ending: of the hidden file that is written first.

    Raises:
        OSError: nothing is left behind.
    """
    # A short name of its own: the final one may already be as long as the file system allows.
    temporary = path.with_name(f"{PREFIX}{secrets.token_hex(8)}{ending}")
    try:
        with temporary.open("xb") as file:
            hold(file.fileno())
            yield file
            sync_file(file)
        temporary.replace(path)
        sync_folder(path.parent)
    finally:
        # Also after an interrupt. After success the name is gone already.
        with contextlib.suppress(OSError):
            temporary.unlink()


def make_folder(folder: Path | str) -> Path:
    """Make a folder with those above it, if it is not there.

    Raises:
        OutputError: E_OUTPUT, it cannot be made.
    """
    try:
        path = Path(folder)
        path.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:  # ValueError: NUL in the name
        raise OutputError(
            "E_OUTPUT",
            f"The output folder {folder} must be writable; got: {cause_of(error)}. Choose another.",
        ) from None
    return path


def check_writable(folder: Path | str) -> None:
    """Make a folder and prove that files can be written there, before any computing starts.

    Raises:
        OutputError: it cannot.
    """
    try:
        with tempfile.TemporaryFile(dir=make_folder(folder)):
            pass
    except OSError as error:
        raise OutputError(
            "E_OUTPUT",
            f"The output folder {folder} must be writable; got: {cause_of(error)}. Choose another"
            " with -o.",
        ) from None


def cause_of(error: OSError | ValueError) -> str:
    """Say in words why a file or folder could not be written."""
    number = error.errno if isinstance(error, OSError) else None
    return _CAUSES.get(number or 0, getattr(error, "strerror", None) or str(error))


def lacks_room(error: BaseException) -> bool:
    """Whether an exception says that nothing more can be written to a disk."""
    return isinstance(error, OSError) and error.errno in _NO_ROOM


def hold(descriptor: int) -> bool:
    """Lock an open file or folder until it is closed or the process ends.

    False where another one holds it.

    Where the system has no such locks nothing is ever held.
    """
    if sys.platform == "win32":
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def sync_file(file: BinaryIO) -> None:
    """Make what was written to a file last through a power failure."""
    file.flush()
    os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Make new names in a folder last through a power failure, where the system can."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Write a table as a whole, so that a reader never sees half a row.

    A missing value is an empty field.

    Text is written so that a spreadsheet takes it for text and nothing else: an apostrophe goes
    before what would be a formula, and control characters are escaped. `unescaped` takes the
    apostrophe away.

    Raises:
        OutputError: E_WRITE, nothing is left behind.
    """
    header = {name: name for name in columns}
    with appearing_at_once(path) as file:
        file.writelines(csv_line(columns, row) for row in (header, *rows))


def csv_line(columns: Sequence[str], row: Mapping[str, Any]) -> bytes:
    """Return one row as `write_csv` writes it."""
    text = io.StringIO(newline="")
    cells = {name: _cell(value) for name, value in row.items()}
    csv.DictWriter(text, columns).writerow(cells)
    return text.getvalue().encode()


def unescaped(cell: str) -> str:
    """Return the text that `write_csv` was given, control characters apart."""
    return cell[1:] if cell.startswith("'") and cell.lstrip("'").startswith(_FORMULA) else cell


def _cell(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    is_formula = value.lstrip("'").startswith(_FORMULA) and not _is_number(value)
    return printable(f"'{value}" if is_formula else value, keep_lines=True)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
