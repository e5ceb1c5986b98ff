"""Decompression that believes nothing: bounded in memory, and checked to the last byte.

Readers that stop at the last voxel never see the checksum that follows it, and return wrong voxels
from a damaged file.
"""

import io
import zlib
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from bundle.errors import CaseError

GZIP_MAGIC = b"\x1f\x8b"

# Deflate cannot do better: 258 bytes from 2 bits.
MAX_DEFLATE_RATIO = 1032

# Bytes after the voxels that are accepted as padding. More than that is voxels that the header does
# not declare.
MAX_EXTRA_BYTES = 64 * 1024

# bgzip ends a member after 64 KiB, so that the largest volume has 33,000. Programs that write more
# do not exist.
MAX_MEMBERS = 2**16

# ISA-L, where installed, has the interface of zlib and is faster.
INFLATE: Any = zlib if find_spec("isal") is None else import_module("isal.isal_zlib")

# ISA-L refuses good members whose header has several optional fields; most have none, or a name.
_NO_FIELDS, _NAME = 0, 8

_CHUNK = 64 * 1024
_FIRST_CHUNK = 512


class GzipReader:
    """Read the members of a gzip file in order, each to its CRC-32 and length.

    What follows the last member and is no gzip member is not read; `n_trailing` counts it.
    """

    kind = "gzip"
    wbits = 31

    def __init__(self, data: bytes | memoryview) -> None:
        self._data = memoryview(data)
        self._position = 0
        self._member: Any = None
        self._n_members = 0
        self._chunk = _FIRST_CHUNK

    @property
    def n_trailing(self) -> int:
        """Bytes not read yet; after the end of the stream, those that do not belong to it."""
        return len(self._data) - self._position

    def readinto(self, out: memoryview) -> int:
        """Fill `out` as far as the stream goes.

        Returns:
            Number of bytes written.

        Raises:
            CaseError: E_TRUNCATED if a member has no end, E_CRC if it is damaged, E_GZIP for too
                many of them.
        """
        filled = 0
        while filled < len(out):
            block = self._next_block(len(out) - filled)
            if not block:
                break
            out[filled : filled + len(block)] = block
            filled += len(block)
        return filled

    def _next_block(self, limit: int) -> bytes:
        """Return up to `limit` bytes, none only after the end of the last member."""
        while self._member is not None or self._at_member():
            member = self._member or self._open_member()
            chunk = self._data[self._position : self._position + self._chunk]
            block = self._decompress(member, chunk, limit)
            # At the end of a member zlib reports the rest in `unused_data` and leaves an old
            # `unconsumed_tail` behind.
            rest = member.unused_data if member.eof else member.unconsumed_tail
            self._position += len(chunk) - len(rest)
            # zlib copies what it did not use: chunks no larger than what the member had so far keep
            # that linear.
            self._chunk = min(2 * self._chunk, _CHUNK)
            if member.eof:
                self._member = None
            elif not block and not len(chunk):
                raise CaseError(
                    "E_TRUNCATED",
                    f"the {self.kind} stream must have an end; got {len(self._data)} bytes that"
                    " stop in the middle. Copy or download the file again.",
                )
            if block:
                return block
        return b""

    def _at_member(self) -> bool:
        return bytes(self._data[self._position : self._position + 2]) == GZIP_MAGIC

    def _open_member(self) -> Any:
        self._n_members += 1
        if self._n_members > MAX_MEMBERS:
            raise CaseError(
                "E_GZIP",
                f"a gzip file must have at most {MAX_MEMBERS} members, one after the other; got"
                " more. Compress it anew: gunzip -c in.nii.gz | gzip > out.nii.gz.",
            )
        self._member = self._library().decompressobj(wbits=self.wbits)
        self._chunk = _FIRST_CHUNK
        return self._member

    def _library(self) -> Any:
        """Return what is trusted with the member that begins here."""
        flags = self._data[self._position + 3 : self._position + 4]
        return INFLATE if flags and flags[0] in (_NO_FIELDS, _NAME) else zlib

    def _decompress(self, member: Any, chunk: memoryview, limit: int) -> bytes:
        try:
            block: bytes = member.decompress(chunk, min(limit, 16 * _CHUNK))
            return block
        except (zlib.error, INFLATE.error) as error:
            cause = str(error).rpartition(": ")[2]
            raise CaseError(
                "E_CRC",
                f"the {self.kind} stream must be undamaged; got {cause}. Its voxels cannot be"
                " trusted: copy or download the file again.",
            ) from error


class ZlibReader(GzipReader):
    """Read one zlib stream to its Adler-32, as `GzipReader` reads gzip."""

    kind = "zlib"
    wbits = 15

    def _at_member(self) -> bool:
        return self._position == 0 and len(self._data) > 0

    def _library(self) -> Any:
        return INFLATE


Stream = GzipReader | io.BytesIO


def open_stream(data: bytes) -> Stream:
    """Return access to a file's content, compressed or not; the file's name has no say."""
    return GzipReader(data) if is_gzip(data) else io.BytesIO(data)


def is_gzip(data: bytes) -> bool:
    """Tell by the first two bytes."""
    return data[:2] == GZIP_MAGIC


def read_up_to(stream: Stream, size: int) -> bytes:
    """Read `size` bytes, or fewer where the stream ends."""
    buffer = bytearray(size)
    return bytes(buffer[: stream.readinto(memoryview(buffer))])


def finish(stream: Stream, max_extra_bytes: int = MAX_EXTRA_BYTES) -> tuple[str, ...]:
    """Read a stream to its end, which is what checks its last CRC-32.

    Args:
        stream: stands behind the data that a header declares.
        max_extra_bytes: what may follow them.

    Returns:
        Warnings about bytes that nothing accounts for.

    Raises:
        CaseError: E_CRC or E_TRUNCATED for a damaged stream, E_SIZE if more than `max_extra_bytes`
            are left.
    """
    warnings = []
    n_extra = len(read_up_to(stream, max_extra_bytes + 1))
    if n_extra > max_extra_bytes:
        raise CaseError(
            "E_SIZE",
            "the file must end after the data that its header declares; got more than"
            f" {max_extra_bytes} bytes after them. Export the image again: header and voxels do not"
            " belong together.",
        )
    if n_extra:
        warnings.append(f"{n_extra} bytes after the data that the header declares were ignored")
    if isinstance(stream, GzipReader) and stream.n_trailing:
        warnings.append(
            f"{stream.n_trailing} bytes after the end of the {stream.kind} stream were ignored"
        )
    return tuple(warnings)
