"""Reads a text file that a user made, or says in one sentence why it cannot be used."""

import codecs
import stat
from functools import lru_cache
from pathlib import Path

from bundle.errors import UsageError
from bundle.plain_text import printable

MAX_BYTES = 256 * 2**20
"""No list of cases is longer; what is, is not read."""

_BYTE_ORDER_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_BINARY = {
    b"PK\x03\x04": "a ZIP file or an Excel workbook",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
    b"\x1f\x8b": "a gzip file",
}


def read_text(path: Path, kind: str, code: str) -> str:
    """Read a text in UTF-8, or in UTF-16 as spreadsheets export it; without its byte order mark.

    Args:
        path: a regular file; a pipe or a device would never end.
        kind: what it should be, for messages.
        code: of errors.

    Raises:
        UsageError: it is no regular file, larger than `MAX_BYTES`, or in another encoding.
    """
    content = _content(path, code)
    binary = next((name for mark, name in _BINARY.items() if content.startswith(mark)), None)
    if binary is not None:
        raise _error(code, path, f"must be {kind} in UTF-8", binary, "Export it as text.")
    encoding = _encoding(content)
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        raise _error(
            code, path, f"must be {kind} in UTF-8", _undecodable(error, content), _REENCODE
        ) from None


@lru_cache(maxsize=100)  # a million rows of a list name the same folder
def shown(path: Path | str, most: int = 240) -> str:
    """Return a path or another text of a user for a message: printable, and without its middle if
    it is long.
    """
    text = str(path)
    half = most // 2
    text = printable(text if len(text) <= most else f"{text[:half]}...{text[-half:]}")
    return text if len(text) <= 2 * most else f"{text[:half]}...{text[-half:]}"


def _content(path: Path, code: str) -> bytes:
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise _error(
                code,
                path,
                "must be a file",
                "a folder, a pipe or a device",
                "Name the file itself.",
            )
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise _error(code, path, "must be readable", error.strerror, "Check the path.") from None
    except ValueError:
        raise _error(
            code, path, "must be readable", "a path that no file can have", "Check the path."
        ) from None
    if len(content) > MAX_BYTES:
        raise _error(
            code,
            path,
            f"must have at most {MAX_BYTES // 2**20} MiB",
            "more",
            "Divide it, or check the path.",
        )
    return content


def _encoding(content: bytes) -> str:
    marked = next(
        (name for mark, name in _BYTE_ORDER_MARKS.items() if content.startswith(mark)), None
    )
    if marked is not None:
        return marked
    first, second = (*content[:2], 1, 1)[:2]
    if 0 not in (first, second) or first == second:
        return "utf-8"
    return "utf-16-be" if first == 0 else "utf-16-le"


def _undecodable(error: UnicodeDecodeError, content: bytes) -> str:
    if error.encoding.startswith("utf-16"):
        return f"UTF-16 that is cut or damaged at byte {error.start}"
    line = content.count(b"\n", 0, error.start) + 1
    return f"byte 0x{content[error.start]:02x} in line {line}, as in Latin-1 or Windows-1252"


_REENCODE = (
    'Save it as UTF-8 (Excel: "CSV UTF-8"), or convert it: iconv -f WINDOWS-1252 -t UTF-8 OLD >'
    " NEW."
)


def _error(code: str, path: Path, rule: str, got: str | None, remedy: str) -> UsageError:
    return UsageError(code, f"{shown(path)} {rule}; got: {got}. {remedy}")
