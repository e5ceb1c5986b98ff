"""Bring a map from one grid to another, where a reordering of voxels is not enough."""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import affine_transform

from bundle.volumes.geometry import Affine, Grid


def resampled_to(
    target: Grid, values: NDArray[np.float32], grid: Grid, moved_by: Affine
) -> NDArray[np.float32]:
    """Interpolate a map linearly at the centres of another grid's voxels.

    Args:
        target: where the values are wanted.
        values: (H, W, D), probabilities or other values that may be averaged; no labels.
        grid: where they lie.
        moved_by: (4, 4), world to world in RAS+ mm: from the space of ``target`` to that of
            ``grid``.

    Returns:
        (H', W', D') on ``target``, 0 outside of ``grid``.
    """
    to_voxel = np.linalg.inv(grid.affine) @ moved_by @ target.affine
    return affine_transform(
        np.asarray(values, np.float32),
        to_voxel[:3, :3],
        offset=to_voxel[:3, 3],
        output_shape=target.shape,
        order=1,
        mode="grid-constant",
        cval=0.0,
    )
