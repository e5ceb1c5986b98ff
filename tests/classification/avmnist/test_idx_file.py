import gzip
import struct

import numpy as np
import pytest

from bundle.classification.avmnist.idx_file import read_idx
from bundle.errors import CaseError
from tests.classification.avmnist.digit_data import idx_bytes

IMAGES = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)
PACKED = gzip.compress(idx_bytes(IMAGES))


@pytest.mark.parametrize("values", [IMAGES, IMAGES[:1], np.arange(7, dtype=np.uint8)], ids=len)
@pytest.mark.parametrize("packed", [False, True])
def test_an_array_comes_back_as_it_was_written(tmp_path, values, packed):
    path = tmp_path / ("a-ubyte.gz" if packed else "a-ubyte")
    path.write_bytes(gzip.compress(idx_bytes(values)) if packed else idx_bytes(values))
    read = read_idx(path, values.ndim)
    assert read.dtype == np.uint8
    np.testing.assert_array_equal(read, values)


def flipped(content: bytes) -> bytes:
    return content[:-8] + bytes([content[-8] ^ 1]) + content[-7:]


BAD = {
    "empty": ("a", b"", "E_EMPTY", "no bytes"),
    "empty-gz": ("a.gz", gzip.compress(b""), "E_EMPTY", "no bytes"),
    "cut-header": ("a", idx_bytes(IMAGES)[:9], "E_TRUNCATED", "whole header"),
    "cut-values": ("a", idx_bytes(IMAGES)[:-1], "E_TRUNCATED", "24 values of its header; got: 23"),
    "more-values": ("a", idx_bytes(IMAGES) + b"\0", "E_SIZE", "end after the 24 values"),
    "labels-for-images": ("a", idx_bytes(IMAGES[0, 0]), "E_HEADER", "idx file of images"),
    "signed": ("a", idx_bytes(IMAGES, magic=b"\0\0\x09\x03"), "E_HEADER", "got: 00 00 09 03"),
    "text": ("a", b"404: not found", "E_HEADER", "MNIST's own file"),
    "nothing-in-it": ("a", idx_bytes(IMAGES[:0]), "E_HEADER", "entries"),
    "impossible-size": (
        "a",
        b"\0\0\x08\x03" + struct.pack(">3I", 2**32 - 1, 28, 28),
        "E_HEADER",
        "entries",
    ),
    "no-gzip": ("a.gz", idx_bytes(IMAGES), "E_HEADER", "as its name says"),
    "cut-gzip": ("a.gz", PACKED[:-12], "E_TRUNCATED", "whole gzip file"),
    "gzip-without-its-checksum": ("a.gz", PACKED[:-6], "E_TRUNCATED", "whole gzip file"),
    "wrong-checksum": ("a.gz", flipped(PACKED), "E_CRC", "sound gzip file"),
}


@pytest.mark.parametrize(("name", "content", "code", "words"), BAD.values(), ids=BAD)
def test_a_damaged_file_is_refused_by_name_with_a_way_out(tmp_path, name, content, code, words):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(CaseError) as caught:
        read_idx(tmp_path / name, 3)
    assert caught.value.code == code
    assert words in str(caught.value)
    assert str(tmp_path / name) in str(caught.value)
    assert str(caught.value).endswith(".")


def test_a_file_that_is_not_there_is_no_traceback(tmp_path):
    with pytest.raises(CaseError, match="must be readable; got: No such file") as caught:
        read_idx(tmp_path / "nowhere", 3)
    assert caught.value.code == "E_UNREADABLE"
