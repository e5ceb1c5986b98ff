"""Tensors and plain data on disk: whole or not at all, undamaged, read without running code from
the file.
"""

import io
import zipfile
from pathlib import Path
from typing import Any

import torch

from bundle.errors import SetupError
from bundle.files.atomic_file import appearing_at_once


def save_state(state: dict[str, Any], path: Path) -> None:
    """Store tensors, numbers, text, and lists and dictionaries of them.

    Raises:
        OutputError: the file cannot be written; an older one is kept.
    """
    content = tensor_bytes(state)
    with appearing_at_once(path) as file:
        file.write(content)


def load_state(path: Path) -> dict[str, Any]:
    """Load what ``save_state`` stored, to the CPU; one flipped bit in it is an error.

    Raises:
        SetupError: E_STATE, the file is missing, damaged, or holds anything else.
    """
    try:
        state = read_tensors(path)
    except Exception as error:  # torch raises many kinds for what is not a checkpoint
        raise _error(path, str(error).partition("\n")[0]) from None
    if not isinstance(state, dict) or not all(isinstance(name, str) for name in state):
        raise _error(path, f"a {type(state).__name__}")
    return state


def tensor_bytes(state: dict[str, Any]) -> memoryview:
    """Return the bytes of a checkpoint: written in one go, a full disk is an OSError and not one of
    torch's own.
    """
    stream = io.BytesIO()
    torch.save(state, stream)
    return stream.getbuffer()


def read_tensors(path: Path) -> Any:
    """Read a checkpoint to the CPU, after its own checksums, which torch writes and does not look
    at.

    Raises:
        Exception: of many kinds; the file is missing, damaged, or would need code to be run.
    """
    with path.open("rb") as file:
        content = io.BytesIO(file.read())
    if zipfile.is_zipfile(content):
        with zipfile.ZipFile(content) as archive:
            damaged = archive.testzip()
        if damaged is not None:
            raise ValueError(f"its part {damaged} is damaged.")
    content.seek(0)
    return torch.load(content, map_location="cpu", weights_only=True)


def _error(path: Path, got: str) -> SetupError:
    return SetupError(
        "E_STATE",
        f"{path} must be an undamaged checkpoint of this project; got: {got.rstrip('.')}. Delete"
        f" {path.stem}.state and {path.stem}.pt to begin that stage again, or choose another --out"
        " and take weights that are whole with --start-from.",
    )
