"""The NIfTI header: from bytes to fields, and from fields to where the voxels lie in their file."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from nibabel.nifti1 import Nifti1Header
from nibabel.nifti2 import Nifti2Header

from bundle.errors import CaseError

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

_SIGNATURES = (
    (b"PK", "a zip archive"),
    (b"\x89PNG", "a PNG picture"),
    (b"\xff\xd8", "a JPEG picture"),
    (b"%PDF", "a PDF document"),
    (b"NRRD", "an NRRD image"),
    (b"\x28\xb5\x2f\xfd", "zstd-compressed data"),
    (b"\x1f\x8b", "gzip inside gzip"),
)


@dataclass(frozen=True)
class VoxelLayout:
    """How voxels lie in the bytes of a file.

    Attributes:
        shape: (H, W, D), first axis fastest.
        offset: of the first voxel, bytes.
        slope: value = slope * stored + intercept.
        n_volumes: volumes of that shape, one after the other.
    """

    shape: tuple[int, int, int]
    dtype: np.dtype[Any]
    offset: int
    slope: float
    intercept: float
    n_volumes: int = 1

    @property
    def n_bytes(self) -> int:
        """Bytes up to the end of the last voxel."""
        return self.offset + math.prod(self.shape) * self.n_volumes * self.dtype.itemsize

    @property
    def is_scaled(self) -> bool:
        """False if the stored numbers are the values."""
        return (self.slope, self.intercept) != (1.0, 0.0)


def parse_header(start: bytes) -> Nifti1Header:
    """Read the fields from the first bytes of a file, NIfTI-1 or NIfTI-2, in either byte order.

    Raises:
        CaseError: E_EMPTY, E_NOT_NIFTI, or E_TRUNCATED if the header itself is cut.
    """
    if not start:
        raise CaseError("E_EMPTY", "the file must hold an image; got 0 bytes. Copy or download it again.")
    for header_class in (Nifti1Header, Nifti2Header):
        for byte_order, mark in (("little", "<"), ("big", ">")):
            if start[:4] == int(header_class.sizeof_hdr).to_bytes(4, byte_order):  # type: ignore[arg-type]
                return _header(header_class, mark, start)
    raise CaseError(
        "E_NOT_NIFTI",
        f"the file must be a NIfTI image; got {_looks_like(start)}. Download it again, or convert it with dcm2niix.",
    )


def _header(header_class: type[Nifti1Header], mark: str, start: bytes) -> Nifti1Header:
    size = header_class.sizeof_hdr
    if len(start) < size:
        raise CaseError(
            "E_TRUNCATED", f"the header must have {size} bytes; got {len(start)}. Copy or download the file again."
        )
    return header_class(start[:size], mark, check=False)


def _looks_like(start: bytes) -> str:
    if start[128:132] == b"DICM":
        return "a DICOM file"
    for signature, name in _SIGNATURES:
        if start.startswith(signature):
            return name
    if not any(start):
        return "zeros only, as after a failed copy"
    if all(byte in b"\t\n\r" or byte >= 32 for byte in start[:64]):
        text = start[:32].decode("utf-8", "replace")
        return f"a web page, {text!r}" if b"<" in start[:16] else f"text, {text!r}"
    return f"unknown bytes {start[:8].hex(' ')}"


def check_magic(header: Nifti1Header, *, is_pair: bool) -> None:
    """Check that header and voxels lie where the file's name says: in one file, or in an .hdr and an .img.

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
            f"the header of {'an .hdr/.img pair' if is_pair else 'a single file'} must say {expected!r}; got {got!r}. "
            "Give the .hdr and the .img side by side, or name the single file .nii.",
        )
    if got != expected:
        raise CaseError(
            "E_NOT_NIFTI",
            f"the header's magic must be {expected!r}; got {got!r}. The file is damaged, or an Analyze image without "
            "orientation: convert the original DICOM series with dcm2niix.",
        )


def magic(header: Nifti1Header) -> bytes:
    """Return the three characters that tell a single file from a pair."""
    return bytes(header["magic"].item())[:3]


def dimensions(header: Nifti1Header) -> list[int]:
    """Return the lengths of all axes that the header uses."""
    return [int(size) for size in header["dim"][1 : 1 + int(header["dim"][0])]]


def has_no_scaling(header: Nifti1Header) -> bool:
    """Tell whether the stored numbers are the values; NIfTI says so by a slope of 0, and nibabel reads NaN alike."""
    slope = float(header["scl_slope"])
    return slope == 0 or math.isnan(slope)


def voxel_layout(header: Nifti1Header) -> VoxelLayout:
    """Say where a checked header puts its voxels; trailing axes of length 1 are dropped."""
    dtype = np.dtype(REAL_TYPES[int(header["datatype"])]).newbyteorder(header.endianness)
    height, width, depth = dimensions(header)[:3]
    slope, intercept = (
        (1.0, 0.0) if has_no_scaling(header) else (float(header["scl_slope"]), float(header["scl_inter"]))
    )
    n_volumes = math.prod(dimensions(header)[3:])
    return VoxelLayout((height, width, depth), dtype, int(header["vox_offset"]), slope, intercept, n_volumes)


def header_warnings(header: Nifti1Header) -> tuple[str, ...]:
    """List what in a checked header is legal but often a mistake."""
    warnings = []
    slope, intercept = float(header["scl_slope"]), float(header["scl_inter"])
    if len(dimensions(header)) > 3 and math.prod(dimensions(header)[3:]) == 1:
        warnings.append(f"dimensions {dimensions(header)} were read as one volume")
    if slope == 0 and intercept != 0 and not math.isnan(intercept):
        warnings.append(f"scl_slope is 0, so scl_inter {intercept:g} was ignored as NIfTI says; some programs add it")
    if math.isnan(slope):
        warnings.append("scl_slope is NaN, so the stored numbers were used as they are")
    if slope < 0:
        warnings.append(f"scl_slope is {slope:g}: the contrast is inverted with respect to the stored numbers")
    return tuple(warnings)
