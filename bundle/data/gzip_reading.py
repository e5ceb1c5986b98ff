"""Decompression that believes nothing: bounded in memory, and checked to the last byte.

Readers that stop at the last voxel never see the checksum that follows it, and return wrong voxels from a damaged file.
"""

import io
import zlib

from bundle.errors import CaseError

GZIP_MAGIC = b"\x1f\x8b"

# Deflate cannot do better: 258 bytes from 2 bits.
MAX_DEFLATE_RATIO = 1032

# Bytes after the voxels that are accepted as padding. More than that is voxels that the header does not declare.
MAX_EXTRA_BYTES = 64 * 1024

_CHUNK = 64 * 1024
_WITH_GZIP_HEADER = 31


class GzipReader:
    """Read the members of a gzip file in order, each to its CRC-32 and length.

    What follows the last member and is no gzip member is not read; `n_trailing` counts it.
    """

    def __init__(self, data: bytes) -> None:
        self._data = memoryview(data)
        self._position = 0
        self._member: zlib._Decompress | None = None

    @property
    def n_trailing(self) -> int:
        """Bytes not read yet; after the end of the stream, those that do not belong to it."""
        return len(self._data) - self._position

    def readinto(self, out: memoryview) -> int:
        """Fill `out` as far as the stream goes.

        Returns:
            Number of bytes written.

        Raises:
            CaseError: E_TRUNCATED if a member has no end, E_CRC if it is damaged.
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
            self._member = self._member or zlib.decompressobj(wbits=_WITH_GZIP_HEADER)
            # Small chunks, because zlib copies what it did not use.
            chunk = self._data[self._position : self._position + _CHUNK]
            block = self._decompress(self._member, chunk, limit)
            # At the end of a member zlib reports the rest in `unused_data` and leaves an old `unconsumed_tail` behind.
            rest = self._member.unused_data if self._member.eof else self._member.unconsumed_tail
            self._position += len(chunk) - len(rest)
            if self._member.eof:
                self._member = None
            elif not block and not len(chunk):
                raise CaseError(
                    "E_TRUNCATED",
                    f"the gzip stream must have an end; got {len(self._data)} bytes that stop in the middle. "
                    "Copy or download the file again.",
                )
            if block:
                return block
        return b""

    def _at_member(self) -> bool:
        return bytes(self._data[self._position : self._position + 2]) == GZIP_MAGIC

    @staticmethod
    def _decompress(member: "zlib._Decompress", chunk: memoryview, limit: int) -> bytes:
        try:
            return member.decompress(chunk, min(limit, 16 * _CHUNK))
        except zlib.error as error:
            cause = str(error).rpartition(": ")[2]
            raise CaseError(
                "E_CRC",
                f"the gzip stream must be undamaged; got {cause}. Its voxels cannot be trusted: copy or download the "
                "file again.",
            ) from error


Stream = GzipReader | io.BytesIO


def open_stream(data: bytes) -> Stream:
    """Give access to a file's content, compressed or not; the file's name has no say."""
    return GzipReader(data) if is_gzip(data) else io.BytesIO(data)


def is_gzip(data: bytes) -> bool:
    """Tell by the first two bytes."""
    return data[:2] == GZIP_MAGIC


def read_up_to(stream: Stream, size: int) -> bytes:
    """Read `size` bytes, or fewer where the stream ends."""
    buffer = bytearray(size)
    return bytes(buffer[: stream.readinto(memoryview(buffer))])


def finish(stream: Stream) -> tuple[str, ...]:
    """Read a stream to its end, which is what checks its last CRC-32.

    Returns:
        Warnings about bytes that nothing accounts for.

    Raises:
        CaseError: E_CRC or E_TRUNCATED for a damaged stream, E_SIZE if more than `MAX_EXTRA_BYTES` are left.
    """
    warnings = []
    n_extra = len(read_up_to(stream, MAX_EXTRA_BYTES + 1))
    if n_extra > MAX_EXTRA_BYTES:
        raise CaseError(
            "E_SIZE",
            f"the file must end after the data that its header declares; got more than {MAX_EXTRA_BYTES} bytes after "
            "them. Export the image again: header and voxels do not belong together.",
        )
    if n_extra:
        warnings.append(f"{n_extra} bytes after the data that the header declares were ignored")
    if isinstance(stream, GzipReader) and stream.n_trailing:
        warnings.append(f"{stream.n_trailing} bytes after the end of the gzip stream were ignored")
    return tuple(warnings)
