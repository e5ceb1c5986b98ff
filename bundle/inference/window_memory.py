"""Refuses a window that does not fit into memory, before the system ends the program for it."""

import math
from collections.abc import Sequence

from torch import nn

from bundle.errors import CaseError
from bundle.volumes.available_memory import available_bytes

# Peaks above what the program and the image took, of the shipped experts (8 features at full
# resolution) run one after the other, in windows of 96 x 96 x 96 to 160 x 192 x 160 voxels: 163 to
# 233 bytes per voxel for one modality, 206 to 283 for four (722 in the smallest window, by
# OpenVINO); 124 in bfloat16.
_PER_FEATURE = 20.0
_PER_FEATURE_IN_BFLOAT16 = 13.0
_GB = 1e9


def check_window(roi_size: Sequence[int], network: nn.Module, *, in_bfloat16: bool) -> None:
    """Refuse a window for which less memory is free than the feature maps of one expert take.

    Args:
        roi_size: voxels, (H, W, D).
        network: its first convolution says how many features there are at full resolution; one
            without any, as exported networks are, is not judged.
        in_bfloat16: convolutions compute in it.

    Raises:
        CaseError: E_MEMORY.
    """
    first = next((part for part in network.modules() if isinstance(part, nn.Conv3d)), None)
    available = available_bytes()
    if first is None or available is None:
        return
    per_feature = _PER_FEATURE_IN_BFLOAT16 if in_bfloat16 else _PER_FEATURE
    needed = per_feature * first.out_channels * math.prod(roi_size)
    if needed <= available:
        return
    size = " x ".join(map(str, roi_size))
    raise CaseError(
        "E_MEMORY",
        f"To see {size} voxels at once about {needed / _GB:.1f} GB of memory must be free; got"
        f" {available / _GB:.1f} GB. Close other programs, use a machine with more, or windows that"
        " are smaller: --set roi_size=[96,96,96] (--roi_size with monai.bundle).",
    )
