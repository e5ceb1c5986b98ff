"""One volume as it stands in a file of any format: where its voxels are, and how they are read
without belief.
"""

import io
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bundle.errors import CaseError
from bundle.volumes.geometry import Grid
from bundle.volumes.gzip_file import MAX_DEFLATE_RATIO, Stream
from bundle.volumes.image_bytes import MAX_VOXELS


@dataclass(frozen=True)
class VoxelLayout:
    """How voxels lie in the bytes of a stream.

    Attributes:
        shape: (H, W, D), first axis fastest.
        offset: of the first voxel, bytes.
        slope: value = slope * stored + intercept.
        n_volumes: volumes of that shape, one after the other.
    """

    shape: tuple[int, int, int]
    dtype: np.dtype[Any]
    offset: int = 0
    slope: float = 1.0
    intercept: float = 0.0
    n_volumes: int = 1

    @property
    def n_bytes(self) -> int:
        """Bytes up to the end of the last voxel."""
        return self.offset + math.prod(self.shape) * self.n_volumes * self.dtype.itemsize

    @property
    def is_scaled(self) -> bool:
        """False if the stored numbers are the values."""
        return (self.slope, self.intercept) != (1.0, 0.0)


@dataclass(frozen=True, eq=False)
class StoredVolume:
    """One volume as it stands in its file.

    Attributes:
        voxels: (H, W, D), not yet scaled.
        sha256: of the bytes that were parsed; of header then voxels for an .hdr/.img pair.
        segments: what the file says about its label values, such as ``1 = oedema``.
    """

    voxels: NDArray
    layout: VoxelLayout
    grid: Grid
    sha256: str
    warnings: tuple[str, ...]
    segments: tuple[str, ...] = ()


def check_shape(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """Return the lengths of three axes, before anything of that size is allocated.

    Raises:
        CaseError: E_2D for no volume, E_4D for several, E_HEADER for a length that is none,
            E_TOO_LARGE.
    """
    if shape and min(shape) < 1:
        raise CaseError(
            "E_HEADER", f"every axis must be positive; got {list(shape)}. Export the image again."
        )
    if len(shape) < 3 or min(shape[:3]) < 2:
        raise CaseError(
            "E_2D",
            f"an image must have at least 2 voxels along each of three axes; got {list(shape)}. Use"
            " the whole volume, not one slice.",
        )
    if len(shape) > 3:
        raise CaseError(
            "E_4D",
            f"one file must hold one volume; got {list(shape)}. Split it and give each modality its"
            " own file: python -c \"import SimpleITK as s; i = s.ReadImage('in.nrrd');"
            " [s.WriteImage(i[:, :, :, k], f'{k}.nii.gz') for k in range(i.GetSize()[3])]\".",
        )
    if math.prod(shape) > MAX_VOXELS:
        raise CaseError(
            "E_TOO_LARGE",
            f"a volume must have at most {MAX_VOXELS} voxels; got {list(shape)}. If the header is"
            " right, resample the image to 1 mm; else download it again.",
        )
    return shape[0], shape[1], shape[2]


def read_voxels(stream: Stream, layout: VoxelLayout, n_file_bytes: int) -> NDArray:
    """Read exactly the declared voxels.

    Args:
        stream: stands at its beginning.
        layout: of the voxels in the stream.
        n_file_bytes: all bytes from which the stream is read.

    Returns:
        (H, W, D, volumes), writable.

    Raises:
        CaseError: E_TRUNCATED, before memory is reserved if the file cannot hold as much.
    """
    most = n_file_bytes if isinstance(stream, io.BytesIO) else n_file_bytes * MAX_DEFLATE_RATIO
    _check_length(layout, most, f"a file that can hold at most {most}")
    buffer = bytearray(layout.n_bytes)
    n_read = stream.readinto(memoryview(buffer))
    _check_length(layout, n_read, str(n_read))
    voxels = np.frombuffer(buffer, layout.dtype, offset=layout.offset)
    return voxels.reshape((*layout.shape, layout.n_volumes), order="F")


def _check_length(layout: VoxelLayout, n_bytes: int, got: str) -> None:
    if n_bytes < layout.n_bytes:
        shape = " x ".join(str(size) for size in layout.shape)
        raise CaseError(
            "E_TRUNCATED",
            f"{shape} voxels of {layout.dtype.name} must have {layout.n_bytes} bytes; got {got}."
            " Copy or download the file again.",
        )
