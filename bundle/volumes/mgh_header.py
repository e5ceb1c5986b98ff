"""The header of an MGH file (FreeSurfer's .mgh and .mgz)."""

from typing import Any

import numpy as np
from nibabel.freesurfer.mghformat import DATA_OFFSET, MGHHeader

from bundle.errors import CaseError
from bundle.volumes.image_header import ImageHeader, place_directions
from bundle.volumes.stored_volume import VoxelLayout, check_shape

MAGIC = b"\0\0\0\1"
"""The version, in big-endian bytes; NIfTI begins with the length of its header instead."""

# Scan parameters, the commands that made the volume, and colour tables of segmentations.
_MAX_TRAILER_BYTES = 2**22

_HAS_PLACE = slice(28, 30)  # goodRASFlag
_TYPES = {0: "u1", 1: ">i4", 3: ">f4", 4: ">i2", 10: ">u2"}


def parse_mgh(start: bytes) -> ImageHeader:
    """Read the header from the first bytes of the content.

    Raises:
        CaseError: the header is damaged, or not that of one volume of known voxel size.
    """
    if len(start) < DATA_OFFSET:
        raise CaseError(
            "E_TRUNCATED",
            f"the header must have {DATA_OFFSET} bytes; got {len(start)}. Copy or download it"
            " again.",
        )
    header: Any = MGHHeader(start[:DATA_OFFSET], check=False)  # type: ignore[no-untyped-call]
    code, sizes = int(header["type"]), [int(size) for size in header["dims"]]
    if code not in _TYPES:
        raise CaseError(
            "E_HEADER",
            f"the type must be a number of 8, 16 or 32 bits; got code {code}. Convert it:"
            " mri_convert in.mgz out.nii.gz.",
        )
    shape = check_shape(tuple(sizes if sizes[3] != 1 else sizes[:3]))
    if not any(start[_HAS_PLACE]):  # nibabel's header says 1 by now, and makes up a voxel size
        raise CaseError(
            "E_SPACING",
            "the header must say where the voxels lie (goodRASFlag); got 0, so that the voxel size"
            " is unknown. Take it from a volume that has it: mri_convert --in_like OTHER in.mgz"
            " out.nii.gz.",
        )
    affine = np.asarray(header.get_affine(), np.float64)
    grid, warnings = place_directions(shape, affine[:3, :3], affine[:3, 3])
    layout = VoxelLayout(shape, np.dtype(_TYPES[code]), DATA_OFFSET)
    return ImageHeader(layout, grid, warnings, max_trailer_bytes=_MAX_TRAILER_BYTES)
