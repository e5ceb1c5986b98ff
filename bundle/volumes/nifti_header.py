"""The NIfTI header: from bytes to fields, and from fields to where the voxels lie in their file."""

import math

import numpy as np
from nibabel.nifti1 import Nifti1Header
from nibabel.nifti2 import Nifti2Header

from bundle.errors import CaseError
from bundle.volumes.stored_volume import VoxelLayout

MAX_HEADER_BYTES = Nifti2Header.sizeof_hdr

# NIfTI datatype codes of real numbers that numpy has on every machine.
REAL_TYPES = {
    2: "u1",
    4: "i2",
    8: "i4",
    16: "f4",
    64: "f8",
    256: "i1",
    512: "u2",
    768: "u4",
    1024: "i8",
    1280: "u8",
}

_VOLUME = "Give the MRI volume itself."
_UNPACK = "Unpack it first"
_FROM_DICOM = "Convert its series with dcm2niix: dcm2niix -z y -o OUT FOLDER."
_DOWNLOAD = "Copy or download it again."
_WITH_SIMPLEITK = (
    "python -c \"import SimpleITK as s; s.WriteImage(s.ReadImage('{file}'), 'out.nii.gz')\""
)

# What other files begin with, what they are, and what can be done about it.
_SIGNATURES = (
    (b"PK", "a zip archive", f"{_UNPACK}."),
    (b"7z\xbc\xaf", "a 7z archive", f"{_UNPACK}."),
    (b"\x89PNG", "a PNG picture", _VOLUME),
    (b"\xff\xd8", "a JPEG picture", _VOLUME),
    (b"II*\0", "a TIFF picture", _VOLUME),
    (b"%PDF", "a PDF document", _VOLUME),
    (b"NRRD", "an NRRD image inside gzip", f"{_UNPACK}: gunzip."),
    (b"ObjectType", "a MetaImage inside gzip", f"{_UNPACK}: gunzip."),
    (b"# vtk", "a VTK image", f"Convert it: {_WITH_SIMPLEITK.format(file='in.vtk')}."),
    (b"CDF", "a netCDF or MINC file", "Convert it with mnc2nii of the MINC tools."),
    (b"\x89HDF", "an HDF5 or MINC file", "Convert it with mnc2nii of the MINC tools."),
    (b"\x28\xb5\x2f\xfd", "zstd-compressed data", f"{_UNPACK}: unzstd."),
    (b"BZh", "bzip2-compressed data", f"{_UNPACK}: bunzip2."),
    (b"\xfd7zXZ", "xz-compressed data", f"{_UNPACK}: unxz."),
    (b"\x1f\x8b", "gzip inside gzip", f"{_UNPACK}, once: gunzip."),
)


def parse_header(start: bytes) -> Nifti1Header:
    """Read the fields from the first bytes of a file, NIfTI-1 or NIfTI-2, in either byte order.

    Raises:
        CaseError: E_EMPTY, E_NOT_NIFTI, or E_TRUNCATED if the header itself is cut.
    """
    if not start:
        raise CaseError(
            "E_EMPTY", "the file must hold an image; got 0 bytes. Copy or download it again."
        )
    for header_class in (Nifti1Header, Nifti2Header):
        for byte_order, mark in (("little", "<"), ("big", ">")):
            if start[:4] == int(header_class.sizeof_hdr).to_bytes(4, byte_order):  # type: ignore[arg-type]
                return _header(header_class, mark, start)
    found, remedy = _looks_like(start)
    raise CaseError(
        "E_NOT_NIFTI",
        f"the file must be a NIfTI, NRRD, MetaImage or MGH image; got {found}. {remedy}",
    )


def _header(header_class: type[Nifti1Header], mark: str, start: bytes) -> Nifti1Header:
    size = header_class.sizeof_hdr
    if len(start) < size:
        raise CaseError(
            "E_TRUNCATED",
            f"the header must have {size} bytes; got {len(start)}. Copy or download the file"
            " again.",
        )
    return header_class(start[:size], mark, check=False)


def _looks_like(start: bytes) -> tuple[str, str]:
    """Say what a file is instead, and the way out."""
    if start[128:132] == b"DICM":
        return "a DICOM file", _FROM_DICOM
    for signature, name, remedy in _SIGNATURES:
        if start.startswith(signature):
            return name, remedy
    if not any(start):
        return "zeros only, as after a failed copy", _DOWNLOAD
    if all(byte in b"\t\n\r" or byte >= 32 for byte in start[:64]):
        text = start[:32].decode("utf-8", "replace")
        return f"a web page, {text!r}" if b"<" in start[:16] else f"text, {text!r}", _DOWNLOAD
    return (
        f"unknown bytes {start[:8].hex(' ')}",
        f"{_DOWNLOAD[:-1]}, or export it as NIfTI from what wrote it.",
    )


def check_magic(header: Nifti1Header, *, is_pair: bool) -> None:
    """Check that header and voxels lie where the file's name says: in one file, or in an .hdr and
    an .img.

    Raises:
        CaseError: E_PAIR if it is the other way round, E_NOT_NIFTI if the header says neither.
    """
    expected, other = header.single_magic[:3], header.pair_magic[:3]
    if is_pair:
        expected, other = other, expected
    got = magic(header)
    if got == other:
        raise CaseError(
            "E_PAIR",
            f"the header of {'an .hdr/.img pair' if is_pair else 'a single file'} must say"
            f" {expected!r}; got {got!r}. Give the .hdr and the .img side by side, or name the"
            " single file .nii.",
        )
    if got != expected:
        raise CaseError(
            "E_NOT_NIFTI",
            f"the header's magic must be {expected!r}; got {got!r}. The file is damaged, or an"
            " Analyze image without orientation: convert the original DICOM series with dcm2niix.",
        )


def magic(header: Nifti1Header) -> bytes:
    """Return the three characters that tell a single file from a pair."""
    return bytes(header["magic"].item())[:3]


def dimensions(header: Nifti1Header) -> list[int]:
    """Return the lengths of all axes that the header uses."""
    return [int(size) for size in header["dim"][1 : 1 + int(header["dim"][0])]]


def has_no_scaling(header: Nifti1Header) -> bool:
    """Whether the stored numbers are the values.

    NIfTI says so by a slope of 0, and nibabel reads NaN alike.
    """
    slope = float(header["scl_slope"])
    return slope == 0 or math.isnan(slope)


def voxel_layout(header: Nifti1Header) -> VoxelLayout:
    """Say where a checked header puts its voxels; trailing axes of length 1 are dropped."""
    dtype = np.dtype(REAL_TYPES[int(header["datatype"])]).newbyteorder(header.endianness)
    height, width, depth = dimensions(header)[:3]
    slope, intercept = (
        (1.0, 0.0)
        if has_no_scaling(header)
        else (float(header["scl_slope"]), float(header["scl_inter"]))
    )
    n_volumes = math.prod(dimensions(header)[3:])
    return VoxelLayout(
        (height, width, depth), dtype, int(header["vox_offset"]), slope, intercept, n_volumes
    )


def header_warnings(header: Nifti1Header) -> tuple[str, ...]:
    """List what in a checked header is legal but often a mistake."""
    warnings = []
    slope, intercept = float(header["scl_slope"]), float(header["scl_inter"])
    if len(dimensions(header)) > 3 and math.prod(dimensions(header)[3:]) == 1:
        warnings.append(f"dimensions {dimensions(header)} were read as one volume")
    if slope == 0 and intercept != 0 and not math.isnan(intercept):
        warnings.append(
            f"scl_slope is 0, so scl_inter {intercept:g} was ignored as NIfTI says; some programs"
            " add it"
        )
    if math.isnan(slope):
        warnings.append("scl_slope is NaN, so the stored numbers were used as they are")
    if slope < 0:
        warnings.append(
            f"scl_slope is {slope:g}: the contrast is inverted with respect to the stored numbers"
        )
    return tuple(warnings)
