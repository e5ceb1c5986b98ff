"""One volume from a file of any format that is read: NIfTI, NRRD, MetaImage or MGH, told by its
content.

The bytes are read once: what is hashed is what is parsed. Compressed streams are read to their end,
because only there is the checksum that tells a damaged file from a good one.
"""

import io
from pathlib import Path

from bundle.errors import CaseError
from bundle.files.hashes import sha256_of
from bundle.volumes.gzip_file import (
    GzipReader,
    Stream,
    ZlibReader,
    finish,
    is_gzip,
    open_stream,
    read_up_to,
)
from bundle.volumes.image_bytes import read_file
from bundle.volumes.image_header import ImageHeader, Packing
from bundle.volumes.metaimage_header import is_metaimage, parse_metaimage
from bundle.volumes.mgh_header import MAGIC as MGH_MAGIC
from bundle.volumes.mgh_header import parse_mgh
from bundle.volumes.nifti_file import halves, parse_nifti
from bundle.volumes.nrrd_header import MAGIC as NRRD_MAGIC
from bundle.volumes.nrrd_header import parse_nrrd
from bundle.volumes.stored_volume import StoredVolume, read_voxels

# NIfTI needs 540; the header of a segmentation by 3D Slicer lists every segment with its colours
# and codes.
_START_BYTES = 2**18


def read_stored(path: Path) -> StoredVolume:
    """Read and check everything about a file of one volume but its intensities.

    Raises:
        CaseError: the file is damaged or its header cannot be that of an MRI volume; the message
            does not name it.
        OSError: the file cannot be read.
    """
    return read_stored_series(path, 1)[0]


def read_stored_series(path: Path, n_volumes: int) -> tuple[StoredVolume, ...]:
    """Read a 4D file whose volumes somebody has named; they share grid, hash and warnings.

    Raises:
        CaseError: as `read_stored`, or E_4D if the file holds another number of volumes.
        OSError: the file cannot be read.
    """
    header_path, voxel_path = halves(path)
    is_pair = header_path != voxel_path
    file_bytes = read_file(header_path)
    hashed = [file_bytes]
    header = _parse(file_bytes, n_volumes, is_pair=is_pair)
    warnings = _name_warnings(header_path, file_bytes) + header.warnings
    if is_pair:
        finish(open_stream(file_bytes))  # checks the header's own checksum
        file_bytes = read_file(voxel_path)
        hashed.append(file_bytes)
    stream = _voxel_stream(file_bytes, header)
    voxels = read_voxels(stream, header.layout, len(file_bytes) - header.start)
    read_up_to(stream, header.max_trailer_bytes)
    warnings += finish(stream)
    sha256 = sha256_of(*hashed)
    return tuple(
        StoredVolume(
            voxels[..., index],
            header.layout,
            header.grid,
            sha256,
            warnings,
            header.segments,
        )
        for index in range(n_volumes)
    )


def peek_header(path: Path) -> ImageHeader:
    """Tell from the first bytes of a file how large its volume is.

    The voxels may still be damaged or missing.

    Raises:
        CaseError: as `read_stored`.
        OSError: the file cannot be read.
    """
    header_path, voxel_path = halves(path)
    file_bytes = read_file(header_path, _START_BYTES)
    return _parse(file_bytes, None, is_pair=header_path != voxel_path)


def _parse(file_bytes: bytes, n_volumes: int | None, *, is_pair: bool) -> ImageHeader:
    """Read a header of any format; `n_volumes` is None where any number will do."""
    start = read_up_to(open_stream(file_bytes), _START_BYTES)
    parse = None
    if start.startswith(MGH_MAGIC):
        parse = parse_mgh
    elif not is_gzip(file_bytes):  # those two compress their voxels, never their header
        parse = (
            parse_nrrd
            if start.startswith(NRRD_MAGIC)
            else parse_metaimage
            if is_metaimage(start)
            else None
        )
    if parse is None or is_pair:
        return parse_nifti(start, n_volumes, is_pair=is_pair)
    if (n_volumes or 1) > 1:
        raise CaseError(
            "E_4D",
            f"a file of {n_volumes} volumes must be NIfTI; got another format. Save each volume as"
            " a file of its own.",
        )
    return parse(start)


def _voxel_stream(file_bytes: bytes, header: ImageHeader) -> Stream:
    if header.packing is None:
        return open_stream(file_bytes)
    voxels = memoryview(file_bytes)[header.start :]
    if header.packing is Packing.gzip:
        return GzipReader(voxels)
    if header.packing is Packing.zlib:
        return ZlibReader(voxels)
    stream = io.BytesIO(file_bytes)
    stream.seek(header.start)
    return stream


def _name_warnings(path: Path, data: bytes) -> tuple[str, ...]:
    named_gzip = path.name.lower().endswith((".gz", ".mgz"))
    if named_gzip == is_gzip(data):
        return ()
    return (
        f"the file is {'not ' if named_gzip else ''}compressed although its name says otherwise",
    )
