"""Reads an idx file, the format in which MNIST is published."""

import gzip
import math
import struct
import zlib
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from bundle.errors import CaseError
from bundle.files.text_file import shown

MOST = 10_000_000
"""More entries than any file of this kind has; a damaged header would claim all memory."""

_UNSIGNED_BYTE = 0x08
_GZIP = b"\x1f\x8b"
_AGAIN = "Copy or download the file again."


def read_idx(path: Path, n_axes: int) -> NDArray[np.uint8]:
    """Read an array of unsigned bytes, plain or compressed by gzip.

    Nothing is guessed: the file must have as many values as its header says, no fewer and no more.

    Args:
        path: ends with ``.gz`` where it is compressed.
        n_axes: that the array must have, 1 for labels and 3 for images.

    Raises:
        CaseError: the file is missing, damaged, or holds something else.

    Source: http://yann.lecun.com/exdb/mnist, "the IDX file format".
    """
    try:
        with path.open("rb") as raw:
            if path.suffix != ".gz":
                return _parsed(raw, path, n_axes)
            if raw.read(2) != _GZIP:
                raise _error(
                    "E_HEADER", path, "must be a gzip file, as its name says", "none", _AGAIN
                )
            raw.seek(0)
            with gzip.open(raw, "rb") as file:
                return _parsed(file, path, n_axes)  # type: ignore[arg-type]  # reads like a file
    except EOFError:
        raise _error(
            "E_TRUNCATED", path, "must be a whole gzip file", "its first part", _AGAIN
        ) from None
    except (zlib.error, gzip.BadGzipFile) as error:
        raise _error("E_CRC", path, "must be a sound gzip file", str(error), _AGAIN) from None
    except OSError as error:
        reason = error.strerror or str(error)
        raise _error("E_UNREADABLE", path, "must be readable", reason, "Check the path.") from None


def _parsed(file: BinaryIO, path: Path, n_axes: int) -> NDArray[np.uint8]:
    shape = _shape(file, path, n_axes)
    n_values = math.prod(shape)
    content = file.read(n_values + 1)  # one more tells whether the file goes on
    if len(content) < n_values:
        raise _error(
            "E_TRUNCATED",
            path,
            f"must hold the {n_values} values of its header",
            str(len(content)),
            _AGAIN,
        )
    if len(content) > n_values:
        raise _error(
            "E_SIZE", path, f"must end after the {n_values} values of its header", "more", _AGAIN
        )
    return np.frombuffer(content, np.uint8).reshape(shape)


def _shape(file: BinaryIO, path: Path, n_axes: int) -> tuple[int, ...]:
    magic = file.read(4)
    if not magic:
        raise _error("E_EMPTY", path, "must be an idx file", "no bytes", _AGAIN)
    expected = bytes((0, 0, _UNSIGNED_BYTE, n_axes))
    if magic != expected:
        what = "images" if n_axes == 3 else "labels"
        raise _error(
            "E_HEADER",
            path,
            f"must be an idx file of {what} and begin with {expected.hex(' ')}",
            magic.hex(" "),
            "Give MNIST's own file; one of another name may hold what is meant.",
        )
    sizes = file.read(4 * n_axes)
    if len(sizes) < 4 * n_axes:
        raise _error("E_TRUNCATED", path, "must have a whole header", "its first part", _AGAIN)
    shape = struct.unpack(f">{n_axes}I", sizes)
    if not 0 < math.prod(shape) <= MOST * 100 or shape[0] > MOST:
        raise _error("E_HEADER", path, f"must have 1 to {MOST} entries", str(shape), _AGAIN)
    return shape


def _error(code: str, path: Path, rule: str, got: str, remedy: str) -> CaseError:
    return CaseError(code, f"{shown(path)} {rule}; got: {got}. {remedy}")
