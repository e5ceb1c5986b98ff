"""Two modalities of different shapes and small parts of networks for vectors."""

import math

import torch
from torch import Tensor, nn

NAMES = ("a", "b")
B, M, F, C = 3, 2, 6, 4
SETS = torch.tensor([[True, True], [True, False], [False, True]])


def stems() -> dict[str, nn.Module]:
    """From (B, 1, 8, 9) and (B, 5) to (B, F)."""
    return {"a": nn.Sequential(nn.Flatten(), nn.Linear(8 * 9, F)), "b": nn.Linear(5, F)}


def parts(n_outputs: int = F) -> dict[str, nn.Module]:
    return {name: nn.Sequential(nn.Linear(F, n_outputs), nn.Tanh()) for name in NAMES}


def inputs() -> dict[str, Tensor]:
    return {"a": torch.randn(B, 1, 8, 9), "b": torch.randn(B, 5)}


def poisoned(values: dict[str, Tensor], presence: Tensor) -> dict[str, Tensor]:
    """The same with NaN in everything that is absent."""
    dirty = {name: tensor.clone() for name, tensor in values.items()}
    for m, name in enumerate(NAMES):
        dirty[name][~presence[:, m]] = math.nan
    return dirty
