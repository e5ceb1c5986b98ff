import gzip
import time
import zlib

import numpy as np
import pytest

from bundle.errors import CaseError
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
