"""Tensors and plain data on disk: whole or not at all, undamaged, read without running code from
the file.
"""

import io
import zipfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from bundle.errors import SetupError
from bundle.files.atomic_file import appearing_at_once

State = dict[str, Tensor]


class UnusableFileError(ValueError):
    """A file does not hold tensors and plain data by name, undamaged; the text says what it is."""


def save_state(state: dict[str, Any], path: Path) -> None:
    """Store tensors, numbers, text, and lists and dictionaries of them.

    Raises:
        OutputError: the file cannot be written; an older one is kept.
    """
    content = tensor_bytes(state)
    with appearing_at_once(path) as file:
        file.write(content)


def load_state(path: Path) -> dict[str, Any]:
    """Load the state of a training to the CPU; one flipped bit in it is an error.

    Raises:
        SetupError: E_STATE, the file is missing, damaged, or holds anything else.
    """
    try:
        return _read(path)
    except UnusableFileError as error:
        raise SetupError(
            "E_STATE",
            f"{path} must be an undamaged checkpoint of this project; got: {error}. Delete"
            f" {path.stem}.state and {path.stem}.pt to begin that stage again, or choose another"
            " --out and take weights that are whole with --start-from.",
        ) from None


def read_weights(path: Path) -> State:
    """Read weights, a plain state dict, to the CPU; one flipped bit in them is an error.

    Raises:
        SetupError: E_WEIGHTS, the file is missing, incomplete, damaged, or holds anything else.
    """
    try:
        state = _read(path)
        if not all(isinstance(value, Tensor) for value in state.values()):
            raise UnusableFileError("other things than tensors")
    except UnusableFileError as error:
        raise SetupError(
            "E_WEIGHTS",
            f"The weights {path} must be a complete PyTorch state dict; got: {error}. Copy or train"
            " them again.",
        ) from None
    return state


def tensor_bytes(state: dict[str, Any]) -> memoryview:
    """Return the bytes of a checkpoint: written in one go, a full disk is an OSError and not one of
    torch's own.
    """
    stream = io.BytesIO()
    torch.save(state, stream)
    return stream.getbuffer()


def _read(path: Path) -> dict[str, Any]:
    """Read a checkpoint to the CPU, after its own checksums, which torch writes and does not look
    at.
    """
    try:
        content = io.BytesIO(path.read_bytes())
        _check_parts(content)
        content.seek(0)
        state = torch.load(content, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds for what is not a checkpoint
        raise UnusableFileError(str(error).partition("\n")[0].rstrip(".")) from None
    if not isinstance(state, dict) or not all(isinstance(name, str) for name in state):
        raise UnusableFileError(f"a {type(state).__name__}")
    return state


def _check_parts(content: io.BytesIO) -> None:
    if zipfile.is_zipfile(content):
        with zipfile.ZipFile(content) as archive:
            damaged = archive.testzip()
        if damaged is not None:
            raise UnusableFileError(f"its part {damaged} is damaged")
