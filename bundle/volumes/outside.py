"""Makes what a task declares to be outside of a volume exactly 0, and nothing else.

Everything after the loader takes 0 for "outside": the crop, the normalisation, the maps. Where the
background of files is exactly 0 nothing is to be done; see `background` for those that should be.
"""

import numpy as np
from numpy.typing import NDArray

from bundle.errors import CaseError

Voxels = NDArray[np.float32]
Mask = NDArray[np.bool_]

INSIDE = np.float32(1e-12)
"""Stands for 0 inside: far below any signal, and its square is still a number."""


def clear_outside(data: Voxels, threshold: float) -> Mask:
    """Set voxels below a threshold to 0, in place, and shift the others by it.

    So what lies just inside is near 0, too, and interpolation makes no edge between both.

    Args:
        data: (H, W, D), finite.
        threshold: in the units of the file.

    Returns:
        (H, W, D), True outside.

    Raises:
        CaseError: E_ALL_ZERO, everything is outside.
    """
    limit = np.float32(threshold)
    outside = data < limit
    if outside.all():
        raise CaseError(
            "E_ALL_ZERO",
            f"an image must hold voxels of {threshold:g} or more, as all others are outside; got"
            f" {float(data.max()):g} at most. Check the units of the file.",
        )
    data -= limit
    data[outside] = 0
    return outside


def mark_inside(data: Voxels, outside: Mask | None) -> None:
    """Give voxels inside that are 0 a number that is none, in place.

    Args:
        data: (H, W, D).
        outside: from `clear_outside`; None where nothing is outside.
    """
    zero = data == 0
    data[zero if outside is None else zero & ~outside] = INSIDE
