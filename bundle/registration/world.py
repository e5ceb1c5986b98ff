"""Volumes as SimpleITK has them, and moves between the two ways to say where left is.

Here a world is RAS+ mm, as NIfTI has it; ITK's is LPS+ mm.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from bundle.registration.itk import Image, Transform, sitk
from bundle.volumes.geometry import Affine, Grid, spacing_mm

Move = NDArray[np.float64]
"""(4, 4), a rigid map of a world onto another, RAS+ mm."""

_FLIP = np.diag([-1.0, -1.0, 1.0, 1.0])


def to_itk(data: NDArray[np.float32], affine: Affine) -> Image:
    """Return voxels (H, W, D) with their place in the world."""
    image = sitk.GetImageFromArray(np.ascontiguousarray(data.transpose(2, 1, 0)))
    place(image, affine)
    return image


def place(image: Image, affine: Affine) -> None:
    """Give an image the place that an affine, voxel to world in RAS+ mm, says."""
    lps, spacing = _FLIP @ affine, spacing_mm(affine)
    image.SetSpacing(spacing.tolist())
    image.SetDirection((lps[:3, :3] / spacing).ravel().tolist())
    image.SetOrigin(lps[:3, 3].tolist())


def empty_image(grid: Grid) -> Image:
    """Return an image of zeros on a grid, as SimpleITK's resampling takes it."""
    image = sitk.Image(list(grid.shape), sitk.sitkUInt8)
    place(image, grid.affine)
    return image


def to_array(image: Image) -> NDArray:
    """Return the voxels (H, W, D) of an image, the first axis the fastest as in files."""
    array: NDArray = sitk.GetArrayFromImage(image).transpose(2, 1, 0)
    return array


def pulling(move: Move) -> Transform:
    """Return the transform by which ITK resamples what a move displaces.

    ITK asks for each place of the new image where it was in the old one: the way back.
    """
    back = _FLIP @ np.linalg.inv(move) @ _FLIP
    transform = sitk.AffineTransform(3)
    transform.SetMatrix(back[:3, :3].ravel().tolist())
    transform.SetTranslation(back[:3, 3].tolist())
    return transform


def euler_of(move: Move, centre: NDArray[np.float64]) -> Transform:
    """Return a move as the transform that a registration changes, turning around a centre.

    Args:
        move: of the scan, onto the reference.
        centre: (3,), in the world of the reference.
    """
    back = _FLIP @ np.linalg.inv(move) @ _FLIP
    centre_lps = _FLIP[:3, :3] @ centre
    transform = sitk.Euler3DTransform()
    transform.SetCenter(centre_lps.tolist())
    transform.SetMatrix(_rigid(back[:3, :3]).ravel().tolist())
    shift = back[:3, :3] @ centre_lps + back[:3, 3] - centre_lps
    transform.SetTranslation(shift.tolist())
    return transform


def move_of(transform: Transform) -> Move:
    """Return the move that a registration found, to the last digit a rigid one."""
    back = np.eye(4)
    back[:3, :3] = np.reshape(transform.GetMatrix(), (3, 3))
    centre = np.array(transform.GetCenter())
    back[:3, 3] = np.array(transform.GetTranslation()) + centre - back[:3, :3] @ centre
    move: Move = np.asarray(np.linalg.inv(_FLIP @ back @ _FLIP), np.float64)
    return move


def turning(
    degrees: tuple[float, float, float], centre: NDArray[np.float64], shift_mm: NDArray[np.float64]
) -> Move:
    """Return the move that turns around a centre, by angles around x, y and z, and then shifts."""
    move = np.eye(4)
    move[:3, :3] = Rotation.from_euler("xyz", degrees, degrees=True).as_matrix()
    move[:3, 3] = centre - move[:3, :3] @ centre + shift_mm
    return move


def distance_mm(one: Move, other: Move, points: NDArray[np.float64]) -> float:
    """Return how far apart two moves put points (N, 3), in mm, on average."""
    difference = (one - other)[:3]
    return float(np.linalg.norm(points @ difference[:, :3].T + difference[:, 3], axis=1).mean())


def _rigid(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    left, _, right = np.linalg.svd(matrix)
    rotation: NDArray[np.float64] = left @ right
    return rotation
