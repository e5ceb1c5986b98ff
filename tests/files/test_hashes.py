import hashlib

import pytest

from bundle.files.hashes import sha256_of, sha256_of_file

CONTENT = bytes(range(256)) * 5000


def test_bytes_and_the_file_that_holds_them_have_the_same_hash(tmp_path):
    (tmp_path / "a").write_bytes(CONTENT)
    expected = hashlib.sha256(CONTENT).hexdigest()
    assert sha256_of(CONTENT) == sha256_of(memoryview(CONTENT)) == expected
    assert sha256_of_file(tmp_path / "a") == expected


def test_parts_have_the_hash_of_the_whole():
    assert sha256_of(CONTENT[:7], CONTENT[7:]) == sha256_of(CONTENT)
    assert sha256_of() == sha256_of(b"")


def test_a_file_that_is_not_there_is_an_error_of_the_system(tmp_path):
    with pytest.raises(FileNotFoundError):
        sha256_of_file(tmp_path / "a")
