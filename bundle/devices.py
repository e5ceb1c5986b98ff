"""Chooses where to compute."""

import torch

from bundle.errors import SetupError


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
