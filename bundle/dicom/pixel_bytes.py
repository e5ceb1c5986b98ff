"""Tells whether the voxels that a DICOM header declares are all in the file."""

import os
import struct
from typing import Any, BinaryIO

_PIXEL_DATA = ((0x7FE0, 0x0010), (0x7FE0, 0x0008), (0x7FE0, 0x0009))
_UNDEFINED = 0xFFFFFFFF
_END_OF_FRAGMENTS = struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)
_DEFLATED = "1.2.840.10008.1.2.1.99"
_TAIL = 65_536
"""Bytes at the end of a file within which the end of compressed voxels is looked for."""


def missing_bytes(header: Any, file: BinaryIO, expected: int) -> str:
    """Say what is missing; empty if nothing is.

    Args:
        header: as pydicom read it, up to the voxels.
        file: where pydicom stopped reading.
        expected: bytes of the voxels if they are not compressed.
    """
    meta = getattr(header, "file_meta", {})
    if str(meta.get("TransferSyntaxUID", "")) == _DEFLATED:
        return ""
    implicit, little = header.original_encoding
    found = _element(file, bool(implicit), "<" if little is not False else ">")
    if found is None:
        return "no voxels"
    length, there = found
    if length == _UNDEFINED:
        return "" if _is_closed(file) else "an end in the middle of compressed voxels"
    if there < length:
        return f"{there} of {length} bytes of voxels"
    return "" if length >= expected else f"{length} of {expected} bytes of voxels"


def _element(file: BinaryIO, implicit: bool, order: str) -> tuple[int, int] | None:
    """Return the declared length of the voxels, and how many bytes the file has left."""
    head = file.read(12)
    if len(head) < 8 or struct.unpack(f"{order}HH", head[:4]) not in _PIXEL_DATA:
        return None
    if implicit:
        (length,) = struct.unpack(f"{order}I", head[4:8])
        start = file.tell() - len(head) + 8
    else:
        if len(head) < 12:
            return None
        (length,) = struct.unpack(f"{order}I", head[8:12])
        start = file.tell()
    return length, file.seek(0, os.SEEK_END) - start


def _is_closed(file: BinaryIO) -> bool:
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - _TAIL))
    return _END_OF_FRAGMENTS in file.read()
