"""Coarser grids: voxels of 1 mm pooled into larger ones, and maps brought back to 1 mm."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import avg_pool3d, interpolate, pad

_LEAST_INSIDE = 0.5  # share of a larger voxel


def pool_inside(image: Tensor, n: int) -> Tensor:
    """Average the voxels that are not outside, which is exactly 0, over cubes of n voxels a side.

    What lies outside takes no part: else a brain would darken at its rim. A cube of which less than
    half is inside becomes outside.

    Args:
        image: (..., H, W, D) float, at least four axes; sides that n does not divide are filled up
            with what is outside.
        n: 1 leaves the image as it is.

    Returns:
        (..., ceil(H / n), ceil(W / n), ceil(D / n)).
    """
    if n == 1:
        return image
    filled = _filled_up(image, n)
    share = avg_pool3d((filled != 0).to(image.dtype), n)
    means = avg_pool3d(filled, n) / share.clamp(min=_LEAST_INSIDE)
    return torch.where(share >= _LEAST_INSIDE, means, means.new_zeros(()))


def pool_label(regions: Tensor, n: int) -> Tensor:
    """Return where at least half of a cube of n voxels a side is in a region.

    Nested regions stay nested.

    Args:
        regions: (..., H, W, D), 0 or 1, at least four axes.
        n: 1 leaves the regions as they are.

    Returns:
        (..., ceil(H / n), ceil(W / n), ceil(D / n)) of the same type.
    """
    if n == 1:
        return regions
    share = avg_pool3d(_filled_up(regions.float(), n), n)
    return (share >= _LEAST_INSIDE).to(regions.dtype)


def unpool(maps: Tensor, n: int, shape: Sequence[int]) -> Tensor:
    """Bring maps of larger voxels back by trilinear interpolation between their centres.

    What sums to 1 over maps in every voxel does so afterwards, too.

    Args:
        maps: (B, C, h, w, d) of what ``pool_inside`` gives.
        n: 1 leaves the maps as they are.
        shape: (H, W, D), of what was pooled.

    Returns:
        (B, C, H, W, D).
    """
    if n == 1:
        return maps
    fine = interpolate(maps, scale_factor=n, mode="trilinear", align_corners=False)
    height, width, depth = shape
    return fine[..., :height, :width, :depth]


def _filled_up(volume: Tensor, n: int) -> Tensor:
    """Append zeros to (..., H, W, D) until n divides its sides."""
    missing = [-size % n for size in volume.shape[-3:]]
    if not any(missing):
        return volume
    return pad(volume, [length for size in reversed(missing) for length in (0, size)])
