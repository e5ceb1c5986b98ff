"""SHA-256, by which files and what is in them are told apart."""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any


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


def sha256_of_facts(facts: Any) -> str:
    """Return the SHA-256 of plain values as 64 hexadecimal digits, whatever the order of keys.

    What is none, such as a path, counts as its text.
    """
    return sha256_of(json.dumps(facts, sort_keys=True, default=str).encode())
