"""SHA-256, by which files and what is in them are told apart."""

import hashlib
from collections.abc import Iterable
from pathlib import Path


def sha256_of(*parts: bytes | memoryview) -> str:
    """Return the SHA-256 of bytes, one part after the other, as 64 hexadecimal digits."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest()


def sha256_of_file(path: Path) -> str:
    """Return the SHA-256 of a file's bytes as 64 hexadecimal digits.

    It is never in memory as a whole.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_of_files(paths: Iterable[Path]) -> str:
    """Return the SHA-256 of the bytes of files, one after the other, as 64 hexadecimal digits.

    Raises:
        OSError: one cannot be read.
    """
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.read_bytes())
    return digest.hexdigest()
