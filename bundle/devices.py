"""Chooses where to compute."""

import logging

import torch

from bundle.errors import SetupError

LOGGER = logging.getLogger("simmlm")

SMALLEST_BFLOAT16 = 2
"""Voxels of the longest side in the deepest layer, with which bfloat16 is wrong on CPUs."""


def choose_device(name: str = "auto") -> torch.device:
    """Return the named device, or for ``auto`` the first GPU if there is one and the CPU if not.

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


def has_bfloat16(wanted: bool | str, device: torch.device | str) -> bool:
    """Whether to compute in bfloat16: as wanted, or with ``auto`` where the hardware has it.

    Others only imitate it, and take longer than in float32.

    Args:
        wanted: the setting ``amp``.
        device: where to compute.
    """
    if isinstance(wanted, bool):
        return wanted
    if torch.device(device).type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    has_avx512, has_amx = torch.cpu._is_avx512_bf16_supported, torch.cpu._is_amx_tile_supported
    return torch.device(device).type == "cpu" and (has_avx512() or has_amx())


def choose_amp(wanted: bool, device: torch.device | str, deepest_size: int) -> bool:
    """Whether to train in bfloat16: not on a CPU with windows that shrink to 2 voxels or
    fewer in the deepest layer.

    For convolutions of 2 x 2 x 2 voxels torch 2.13 computes wrong gradients there.

    Args:
        wanted: the setting.
        device: where to compute.
        deepest_size: voxels of the window's longest side in the deepest layer, see
            ``volume_networks.windows``.
    """
    if wanted and torch.device(device).type == "cpu" and deepest_size <= SMALLEST_BFLOAT16:
        LOGGER.warning(
            "Computing in float32: on a CPU bfloat16 needs more than %d voxels in the deepest"
            " layer; got %d. A larger roi_size has them.",
            SMALLEST_BFLOAT16,
            deepest_size,
        )
        return False
    return wanted
