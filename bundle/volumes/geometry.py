"""Where voxels lie in the patient: affines, and the header fields that every output must repeat."""

from dataclasses import dataclass
from itertools import product
from typing import TypeAlias

import numpy as np
from nibabel.orientations import aff2axcodes, inv_ornt_aff, io_orientation
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

Affine: TypeAlias = NDArray[np.float64]

# Modalities and labels are stacked voxel by voxel, so they may differ only by what rounding in a
# header explains: about 1e-5 voxel for float32, about 0.1 for directions rounded to 3 digits. Real
# misplacements are larger.
GRID_TOLERANCE_VOXELS = 0.1

SCANNER_CODE = 1
MILLIMETRE_CODE = 2


@dataclass(frozen=True)
class HeaderGeometry:
    """The geometry fields of one NIfTI header as they stand in the file, in the file's own units.

    They are kept apart from the affine used for computing, because an output that repeats them
    exactly lies on its input in every viewer, whichever of the two forms that viewer believes.

    Attributes:
        sform: rows ``srow_x``, ``srow_y``, ``srow_z``.
        quaternion: ``quatern_b``, ``quatern_c``, ``quatern_d``.
        offset: ``qoffset_x``, ``qoffset_y``, ``qoffset_z``.
        pixdim: qfac and the three voxel sizes.
        units: the ``xyzt_units`` byte, space and time together.
    """

    sform: tuple[tuple[float, ...], ...]
    sform_code: int
    quaternion: tuple[float, ...]
    offset: tuple[float, ...]
    pixdim: tuple[float, ...]
    qform_code: int
    units: int


@dataclass(frozen=True, eq=False)
class Grid:
    """Where voxels lie in the patient: what every output must repeat.

    Compare two with `same_grid`: headers written by different programs are equal only up to
    rounding.

    Attributes:
        shape: (H, W, D), voxels.
        affine: (4, 4), voxel to world, RAS+ mm, orthogonal columns. For computing.
        header: the fields to write back.
    """

    shape: tuple[int, int, int]
    affine: Affine
    header: HeaderGeometry

    @property
    def is_anchored(self) -> bool:
        """False if the file says nothing about the position and orientation of its voxels."""
        return self.header.sform_code > 0 or self.header.qform_code > 0


def grid_from_affine(shape: tuple[int, int, int], affine: Affine) -> Grid:
    """Build the grid of a volume that comes from no file.

    Args:
        shape: (H, W, D), voxels.
        affine: (4, 4), voxel to world, RAS+ mm, with orthogonal columns.

    Returns:
        A grid whose sform and qform both say `affine`, in scanner space and millimetres.
    """
    spacing = spacing_mm(affine)
    directions = affine[:3, :3] / spacing
    qfac = -1.0 if np.linalg.det(directions) < 0 else 1.0
    quaternion = Rotation.from_matrix(directions * [1, 1, qfac]).as_quat(canonical=True)[:3]
    header = HeaderGeometry(
        sform=tuple(_floats(row) for row in affine[:3]),
        sform_code=SCANNER_CODE,
        quaternion=_floats(quaternion),
        offset=_floats(affine[:3, 3]),
        pixdim=(qfac, *_floats(spacing)),
        qform_code=SCANNER_CODE,
        units=MILLIMETRE_CODE,
    )
    return Grid(shape, np.asarray(affine, np.float64), header)


def _floats(values: Affine) -> tuple[float, ...]:
    return tuple(float(value) for value in values)


def spacing_mm(affine: Affine) -> Affine:
    """Distance between neighbouring voxels along each axis.

    Args:
        affine: (4, 4), voxel to world, mm.

    Returns:
        (3,), mm.
    """
    return np.linalg.norm(affine[:3, :3], axis=0)


def corner_shift_voxels(affine_a: Affine, affine_b: Affine, shape: tuple[int, int, int]) -> float:
    """Measure how far two affines place the same volume apart, where they disagree most.

    Two affine maps differ most at a corner, so the eight corner voxels are enough.

    Args:
        affine_a: (4, 4), voxel to world, invertible. Its voxels are the unit of the answer.
        affine_b: (4, 4), voxel to world.
        shape: (H, W, D), voxels.

    Returns:
        The largest distance in voxels.
    """
    ends = [(0, size - 1) for size in shape]
    corners = np.array([(*corner, 1) for corner in product(*ends)], np.float64)
    moved = corners @ (affine_b - affine_a).T[:, :3]
    in_voxels = moved @ np.linalg.inv(affine_a[:3, :3]).T
    return float(np.linalg.norm(in_voxels, axis=1).max())


def same_grid(a: Grid, b: Grid) -> bool:
    """Whether voxel (i, j, k) is the same place in both, within `GRID_TOLERANCE_VOXELS`.

    A volume without position only matches another one without: readers invent different positions
    for it.
    """
    if a.shape != b.shape or a.is_anchored != b.is_anchored:
        return False
    return corner_shift_voxels(a.affine, b.affine, a.shape) <= GRID_TOLERANCE_VOXELS


def orientation_to(grid: Grid, other: Grid) -> NDArray[np.float64] | None:
    """Find the order and direction of axes in which one grid's voxels lie as another's.

    Two programs may store the same voxels of a patient along other axes, or from the other end:
    then nothing has to be interpolated.

    Args:
        grid: whose voxels are to be reordered.
        other: where they should lie.

    Returns:
        (3, 2), for ``nibabel.orientations.apply_orientation``; None if the grids are not the same,
        however turned, within `GRID_TOLERANCE_VOXELS`, or one has no position.
    """
    if not (grid.is_anchored and other.is_anchored):
        return None
    turn = io_orientation(np.linalg.inv(other.affine) @ grid.affine)  # type: ignore[no-untyped-call]
    if np.isnan(turn).any() or _turned_shape(grid.shape, turn) != other.shape:
        return None
    affine = grid.affine @ inv_ornt_aff(turn, grid.shape)  # type: ignore[no-untyped-call]
    return (
        turn
        if corner_shift_voxels(other.affine, affine, other.shape) <= GRID_TOLERANCE_VOXELS
        else None
    )


def axes_name(affine: Affine) -> str:
    """Name where the axes point to, such as ``LPS``."""
    return "".join(aff2axcodes(affine))  # type: ignore[no-untyped-call]


def _turned_shape(shape: tuple[int, int, int], turn: NDArray[np.float64]) -> tuple[int, ...]:
    """Return the shape after ``apply_orientation``: axis i goes to place ``turn[i, 0]``."""
    return tuple(shape[int(axis)] for axis in np.argsort(turn[:, 0]))


def shear_cosine(affine: Affine) -> float:
    """Largest absolute cosine between two axes: 0 for a box, 0.017 if two axes are one
    degree off.
    """
    directions = affine[:3, :3] / spacing_mm(affine)
    return float(np.abs(directions.T @ directions - np.eye(3)).max())


def orthonormalised(affine: Affine) -> Affine:
    """Replace the axes' directions by the nearest orthogonal ones; spacing and origin stay.

    Args:
        affine: (4, 4), voxel to world, invertible.

    Returns:
        (4, 4), voxel to world.
    """
    spacing = spacing_mm(affine)
    left, _, right = np.linalg.svd(affine[:3, :3] / spacing)
    result = np.array(affine, np.float64)
    result[:3, :3] = (left @ right) * spacing
    return result
