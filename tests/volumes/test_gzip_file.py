import gzip
import random
import struct
import time
import zlib

import numpy as np
import pytest

from bundle.errors import CaseError
from bundle.volumes import gzip_file
from bundle.volumes.gzip_file import (
    MAX_MEMBERS,
    GzipReader,
    ZlibReader,
    finish,
    open_stream,
    read_up_to,
)

CONTENT = np.random.default_rng(0).integers(0, 50, 300_000, np.uint8).tobytes()


def members(content, size):
    return b"".join(
        gzip.compress(content[i : i + size], 1, mtime=0) for i in range(0, len(content), size)
    )


@pytest.mark.parametrize("size", [100, 511, 5_000, 65_280, 300_000])
def test_members_of_any_size_are_read_one_after_the_other(size):
    stream = open_stream(members(CONTENT, size))
    assert read_up_to(stream, len(CONTENT) + 1) == CONTENT
    assert finish(stream) == ()


def test_a_gigabyte_in_blocks_of_bgzip_is_below_the_limit():
    assert MAX_MEMBERS / 1.9 > 2**30 * 2 / 65_280


@pytest.mark.parametrize(
    "member", [gzip.compress(b"", mtime=0), gzip.compress(b"x", mtime=0)], ids=["empty", "a byte"]
)
def test_too_many_members_are_refused_soon(member):
    start = time.perf_counter()
    with pytest.raises(CaseError, match="Compress it anew") as caught:
        read_up_to(open_stream(member * 2_000_000), 3_000_000)
    assert caught.value.code == "E_GZIP"
    assert time.perf_counter() - start < 20  # measured: 0.4 s; 2 million took 35 s


def test_as_many_members_as_allowed_cost_linear_time():
    data = gzip.compress(b"x", mtime=0) * MAX_MEMBERS
    start = time.perf_counter()
    assert read_up_to(open_stream(data), MAX_MEMBERS) == b"x" * MAX_MEMBERS
    assert time.perf_counter() - start < 15  # measured: 0.4 s


def test_a_damaged_member_among_many_is_found():
    data = bytearray(members(CONTENT, 5_000))
    data[len(data) // 2] ^= 4
    with pytest.raises(CaseError) as caught:
        read_up_to(GzipReader(bytes(data)), len(CONTENT))
    assert caught.value.code in {"E_CRC", "E_TRUNCATED"}


def test_a_zlib_stream_is_read_to_its_checksum():
    packed = zlib.compress(CONTENT)
    stream = ZlibReader(packed + b"rest")
    assert read_up_to(stream, len(CONTENT)) == CONTENT
    assert finish(stream) == ("4 bytes after the end of the zlib stream were ignored",)
    for damaged, code in (
        (packed[:-1] + bytes([packed[-1] ^ 1]), "E_CRC"),
        (packed[:-1], "E_TRUNCATED"),
    ):
        stream = ZlibReader(damaged)
        with pytest.raises(CaseError, match="the zlib stream") as caught:
            read_up_to(stream, len(CONTENT) + 1)
        assert caught.value.code == code


def member_with_fields(content, flags, level):
    """A gzip member whose header has the optional fields of its flags."""
    header = b"\x1f\x8b\x08" + bytes([flags]) + bytes(6)
    header += struct.pack("<H", 3000) + b"e" * 3000 if flags & 4 else b""
    header += b"name" * 300 + b"\0" if flags & 8 else b""
    header += b"comment\0" if flags & 16 else b""
    header += struct.pack("<H", zlib.crc32(header) & 0xFFFF) if flags & 2 else b""
    body = zlib.compress(content, level)[2:-4]
    return header + body + struct.pack("<II", zlib.crc32(content), len(content))


def damaged(data, random_):
    """Damage a file in one way, or not at all."""
    kind = random_.choice(["whole", "flip", "byte", "cut", "trail"])
    data = bytearray(data)
    if kind == "flip":
        data[random_.randrange(len(data))] ^= 1 << random_.randrange(8)
    if kind == "byte":
        near = random_.choice([random_.randrange(40), len(data) - 1 - random_.randrange(12)])
        data[near] = random_.randrange(256)
    if kind == "cut":
        del data[random_.randrange(len(data)) :]
    return bytes(data) + (random_.randbytes(random_.randrange(40)) if kind == "trail" else b"")


@pytest.mark.parametrize("seed", range(8))
def test_with_and_without_isal_the_same_files_are_refused_and_all_others_read_alike(
    monkeypatch, seed
):
    isal_zlib = pytest.importorskip("isal.isal_zlib")
    random_ = random.Random(seed)

    def read(data, library):
        monkeypatch.setattr(gzip_file, "INFLATE", library)
        stream = open_stream(data)
        try:
            return read_up_to(stream, 2**17), finish(stream)
        except CaseError as error:
            return error.code

    for _ in range(40):
        flags = [random_.choice([0, 8, 2, 4, 16, 12, 30]) for _ in range(random_.choice([1, 3]))]
        content = CONTENT[: 90_000 // len(flags)]
        parts = [member_with_fields(content, flag, random_.choice([0, 1, 6])) for flag in flags]
        data = damaged(b"".join(parts), random_)
        assert read(data, isal_zlib) == read(data, zlib)
