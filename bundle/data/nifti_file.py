"""The bytes of a NIfTI file, or of an .hdr/.img pair, and the voxels stored in them.

The bytes are read once: what is hashed is what is parsed. The gzip stream is read to its end, because only there is
the checksum that tells a damaged file from a good one.
"""

import hashlib
import io
import stat
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bundle.data.geometry import Grid
from bundle.data.gzip_reading import MAX_DEFLATE_RATIO, Stream, finish, is_gzip, open_stream, read_up_to
from bundle.data.nifti_forms import header_geometry, place
from bundle.data.nifti_header import (
    MAX_HEADER_BYTES,
    VoxelLayout,
    check_magic,
    header_warnings,
    parse_header,
    voxel_layout,
)
from bundle.data.nifti_rules import MAX_VOXEL_OFFSET, MAX_VOXELS, check_header, check_volume_count
from bundle.errors import CaseError

# No accepted volume is longer, at 8 bytes a voxel.
MAX_FILE_BYTES = 8 * MAX_VOXELS + MAX_VOXEL_OFFSET


@dataclass(frozen=True, eq=False)
class StoredVolume:
    """One volume as it stands in its file.

    Attributes:
        voxels: (H, W, D), not yet scaled.
        sha256: of the bytes that were parsed; of header then voxels for an .hdr/.img pair.
    """

    voxels: NDArray
    layout: VoxelLayout
    grid: Grid
    sha256: str
    warnings: tuple[str, ...]


def read_stored(path: Path) -> StoredVolume:
    """Read and check everything about a file of one volume but its intensities.

    Raises:
        CaseError: the file is damaged or its header cannot be that of an MRI volume; the message does not name it.
        OSError: the file cannot be read.
    """
    return read_stored_series(path, 1)[0]


def read_stored_series(path: Path, n_volumes: int) -> tuple[StoredVolume, ...]:
    """Read a 4D file whose volumes somebody has named; they share grid, hash and warnings.

    Raises:
        CaseError: as `read_stored`, or E_4D if the file holds another number of volumes.
        OSError: the file cannot be read.
    """
    header_path, voxel_path = _halves(path)
    is_pair = header_path != voxel_path
    file_bytes = _read_bytes(header_path)
    warnings = _name_warnings(header_path, file_bytes)
    stream = open_stream(file_bytes)
    start = read_up_to(stream, MAX_HEADER_BYTES)
    layout, grid, parse_warnings = _parse(start, n_volumes, is_pair=is_pair)
    digest = hashlib.sha256(file_bytes)
    if is_pair:
        finish(stream)  # checks the header's own checksum
        file_bytes, start = _read_bytes(voxel_path), b""
        digest.update(file_bytes)
        stream = open_stream(file_bytes)
    voxels = _read_voxels(stream, start, layout, len(file_bytes))
    warnings += parse_warnings + finish(stream)
    return tuple(
        StoredVolume(voxels[..., index], layout, grid, digest.hexdigest(), warnings) for index in range(n_volumes)
    )


def _parse(start: bytes, n_volumes: int, *, is_pair: bool) -> tuple[VoxelLayout, Grid, tuple[str, ...]]:
    header = parse_header(start)
    check_magic(header, is_pair=is_pair)
    check_header(header)
    check_volume_count(header, n_volumes)
    layout = voxel_layout(header)
    grid, warnings = place(header_geometry(header), layout.shape)
    return layout, grid, header_warnings(header) + warnings


def _halves(path: Path) -> tuple[Path, Path]:
    """Return the files that hold the header and the voxels: one and the same, except for an .hdr/.img pair."""
    for ending in ("", ".gz"):
        for own, other in ((".hdr", ".img"), (".img", ".hdr")):
            if path.name.lower().endswith(own + ending):
                half = path.with_name(path.name[: -len(own + ending)] + other + ending)
                if path.exists() and not half.exists():
                    raise CaseError(
                        "E_PAIR",
                        f"an .hdr/.img pair must be complete; got no file {half.name}. Put it beside the other half.",
                    )
                return (path, half) if own == ".hdr" else (half, path)
    return path, path


def _read_bytes(path: Path) -> bytes:
    status = path.stat()
    # A pipe or a device would block or never end.
    if not stat.S_ISREG(status.st_mode):
        kind = "a folder" if stat.S_ISDIR(status.st_mode) else "a pipe or device"
        raise CaseError("E_NOT_A_FILE", f"the path must be that of a file; got {kind}. Give the image itself.")
    if status.st_size > MAX_FILE_BYTES:
        raise CaseError(
            "E_TOO_LARGE",
            f"a file must have at most {MAX_FILE_BYTES} bytes; got {status.st_size}. Give one volume per file.",
        )
    return path.read_bytes()


def _read_voxels(stream: Stream, start: bytes, layout: VoxelLayout, n_file_bytes: int) -> NDArray:
    """Read exactly the declared voxels, (H, W, D, volumes); `start` are the bytes already taken from the stream."""
    # Refuses a small file with a large claim before memory is reserved for it.
    most = n_file_bytes if isinstance(stream, io.BytesIO) else n_file_bytes * MAX_DEFLATE_RATIO
    _check_length(layout, most, f"a file that can hold at most {most}")
    buffer = bytearray(layout.n_bytes)
    start = start[: layout.n_bytes]
    buffer[: len(start)] = start
    n_read = len(start) + stream.readinto(memoryview(buffer)[len(start) :])
    _check_length(layout, n_read, str(n_read))
    voxels = np.frombuffer(buffer, layout.dtype, offset=layout.offset)
    return voxels.reshape((*layout.shape, layout.n_volumes), order="F")


def _check_length(layout: VoxelLayout, n_bytes: int, got: str) -> None:
    if n_bytes < layout.n_bytes:
        shape = " x ".join(str(size) for size in layout.shape)
        raise CaseError(
            "E_TRUNCATED",
            f"{shape} voxels of {layout.dtype.name} must have {layout.n_bytes} bytes; got {got}. Copy or download the "
            "file again.",
        )


def _name_warnings(path: Path, data: bytes) -> tuple[str, ...]:
    named_gzip = path.name.lower().endswith(".gz")
    if named_gzip == is_gzip(data):
        return ()
    return (f"the file is {'not ' if named_gzip else ''}compressed although its name says otherwise",)
