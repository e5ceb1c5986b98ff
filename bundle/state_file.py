"""Tensors and plain data on disk: whole or not at all, read without running code from the file."""

from pathlib import Path
from typing import Any

import torch

from bundle.atomic_file import appearing_at_once
from bundle.errors import SetupError


def save_state(state: dict[str, Any], path: Path) -> None:
    """Store tensors, numbers, text, and lists and dictionaries of them.

    Raises:
        OutputError: the file cannot be written; an older one is kept.
    """
    with appearing_at_once(path) as file:
        torch.save(state, file)


def load_state(path: Path) -> dict[str, Any]:
    """Load what ``save_state`` stored, to the CPU.

    Raises:
        SetupError: the file is missing, damaged, or holds anything else.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds for what is not a checkpoint
        reason = str(error).partition("\n")[0]
        raise SetupError("E_STATE", f"{path} must be a checkpoint of this project; got: {reason}") from None
    if not isinstance(state, dict) or not all(isinstance(name, str) for name in state):
        raise SetupError("E_STATE", f"{path} must be a checkpoint of this project; got a {type(state).__name__}.")
    return state
