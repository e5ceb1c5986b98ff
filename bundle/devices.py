"""Chooses where to compute."""

import logging
from collections.abc import Sequence

import torch

from bundle.errors import SetupError

LOGGER = logging.getLogger("simmlm")


def choose_device(name: str = "auto") -> torch.device:
    """Give the named device, or for ``auto`` the first GPU if there is one and the CPU if not.

    Raises:
        SetupError: the name means nothing, or that device is not here.
    """
    if name == "auto":
        return torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise SetupError(
            "E_DEVICE", f"device must be auto, cpu or cuda:N of this machine; got {name!r}. {error}"
        ) from None
    return device


def choose_amp(wanted: bool, device: torch.device, roi_size: Sequence[int]) -> bool:
    """Tell whether to train in bfloat16: not on a CPU with windows of 64 voxels or less along every axis.

    There the deepest layer of the experts has 2 x 2 x 2 voxels, for which torch 2.13 computes wrong gradients.
    """
    if wanted and device.type == "cpu" and max(roi_size) <= 64:
        LOGGER.warning("Computing in float32: on a CPU bfloat16 needs a roi_size of more than 64; got %s", roi_size)
        return False
    return wanted
