"""What the header of an image says, whatever the format, once it was checked."""

from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from bundle.errors import CaseError
from bundle.volumes.geometry import Grid
from bundle.volumes.nifti_forms import place_affine
from bundle.volumes.stored_volume import VoxelLayout

CONVERT = "python -c \"import SimpleITK as s; s.WriteImage(s.ReadImage('{file}'), 'out.nii.gz')\""
"""A command that converts what ITK reads and this program does not.

``file`` is the name to show.
"""


class Packing(Enum):
    """How voxels follow a header of text."""

    raw = "as they are"
    gzip = "compressed with gzip"
    zlib = "compressed with zlib"


@dataclass(frozen=True, eq=False)
class ImageHeader:
    """What is needed to read the voxels and to place them.

    Attributes:
        layout: of the voxels in the stream that holds them.
        grid: where they lie.
        warnings: about what had to be decided.
        packing: None if header and voxels are one stream, which may be compressed as a whole.
        start: of the voxels' own stream in the file, bytes; only with a packing.
        max_trailer_bytes: what the format may put after the voxels.
        segments: what the file says about its label values, such as ``1 = oedema``.
    """

    layout: VoxelLayout
    grid: Grid
    warnings: tuple[str, ...] = ()
    packing: Packing | None = None
    start: int = 0
    max_trailer_bytes: int = 0
    segments: tuple[str, ...] = ()


def place_directions(
    shape: tuple[int, int, int], directions: NDArray[np.float64], origin: NDArray[np.float64]
) -> tuple[Grid, tuple[str, ...]]:
    """Place a volume by the steps along its axes.

    Args:
        shape: (H, W, D), voxels.
        directions: (3, 3), the columns are the steps from voxel to voxel along each axis, RAS, mm.
        origin: (3,), place of the first voxel, RAS, mm.

    Raises:
        CaseError: E_SPACING if a step is not known, and as `nifti_forms.place`.
    """
    lengths = np.linalg.norm(directions, axis=0)
    if not np.isfinite(directions).all() or not np.isfinite(origin).all() or not lengths.all():
        raise CaseError(
            "E_SPACING",
            "steps along the axes and origin must be finite, and no step 0; got steps of"
            f" {lengths.tolist()} mm from {origin.tolist()}. The voxel size is unknown: export the"
            " image again from what wrote it.",
        )
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = directions, origin
    return place_affine(affine, shape)
