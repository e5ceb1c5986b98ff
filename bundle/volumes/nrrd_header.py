"""The header of an NRRD file (3D Slicer), with its voxels attached."""

import io
import re
from collections.abc import Mapping
from typing import Any, Literal

import nrrd
import numpy as np
from numpy.typing import NDArray

from bundle.errors import CaseError
from bundle.volumes.image_header import CONVERT, ImageHeader, Packing, place_directions
from bundle.volumes.stored_volume import VoxelLayout, check_shape

MAGIC = b"NRRD"

_END = re.compile(rb"\r?\n\r?\n")
_DETACHED = re.compile(rb"\A(?:[^\r\n]+\r?\n)*?data ?file:", re.I)
_MALFORMED = (nrrd.NRRDError, ValueError, TypeError, LookupError, ArithmeticError, StopIteration)

_TYPES = {
    name: code
    for code, names in {
        "i1": "signed char|int8|int8_t",
        "u1": "uchar|unsigned char|uint8|uint8_t",
        "i2": "short|short int|signed short|signed short int|int16|int16_t",
        "u2": "ushort|unsigned short|unsigned short int|uint16|uint16_t",
        "i4": "int|signed int|int32|int32_t",
        "u4": "uint|unsigned int|uint32|uint32_t",
        "i8": (
            "longlong|long long|long long int|signed long long|signed long long int|int64|int64_t"
        ),
        "u8": "ulonglong|unsigned long long|unsigned long long int|uint64|uint64_t",
        "f4": "float",
        "f8": "double",
    }.items()
    for name in names.split("|")
}
_ENDIANS: dict[str, Literal["<", ">"]] = {"little": "<", "big": ">"}
_PACKINGS = {"raw": Packing.raw, "gzip": Packing.gzip, "gz": Packing.gzip}

# To RAS: which axes of the space point the other way.
_SPACES = {
    "left-posterior-superior": (-1, -1, 1),
    "lps": (-1, -1, 1),
    "right-anterior-superior": (1, 1, 1),
    "ras": (1, 1, 1),
    "left-anterior-superior": (-1, 1, 1),
    "las": (-1, 1, 1),
}
_MM_PER_UNIT = {"mm": 1.0, "millimeter": 1.0, "cm": 10.0, "m": 1000.0, "um": 1e-3, "micron": 1e-3}
_SKIPS = ("line skip", "lineskip", "byte skip", "byteskip")
_SEGMENT = re.compile(r"^Segment\d+(?=_)")


def parse_nrrd(start: bytes) -> ImageHeader:
    """Read the header from the first bytes of a file.

    Raises:
        CaseError: the header is damaged, or says what this program does not read; the message has
            the way out.
    """
    if _DETACHED.search(start):  # such a header may end with its file
        raise CaseError(
            "E_DETACHED",
            "header and voxels must be one file; got an NRRD header whose voxels lie elsewhere."
            f" Put them into one: {CONVERT.format(file='in.nhdr')}.",
        )
    end = _END.search(start)
    if end is None:
        raise CaseError(
            "E_TRUNCATED",
            "the header must end with an empty line; got none. Copy or download it again.",
        )
    try:
        fields = nrrd.read_header(io.BytesIO(start[: end.end()]))
        return _header(fields, end.end())
    except _MALFORMED as error:
        raise CaseError(
            "E_HEADER",
            f"the NRRD header must be sound; got {error or type(error).__name__}. Export the image"
            " again.",
        ) from error


def _header(fields: Mapping[str, Any], start: int) -> ImageHeader:
    _check_readable(fields)
    sizes = [int(size) for size in fields["sizes"]]
    if len(sizes) != int(fields["dimension"]):
        raise ValueError(f"dimension {fields['dimension']} with {len(sizes)} sizes")
    if sum(size > 1 for size in sizes) > 3:
        raise _several_numbers(fields, sizes)
    directions, origin, warnings = _steps(fields, len(sizes))
    used = [
        axis
        for axis, size in enumerate(sizes)
        if size > 1 or len(sizes) <= 3 or np.isfinite(directions[axis]).all()
    ]
    shape = check_shape(tuple(sizes[axis] for axis in used))
    grid, place_warnings = place_directions(shape, directions[used].T, origin)
    return ImageHeader(
        layout=VoxelLayout(shape, _dtype(fields)),
        grid=grid,
        warnings=warnings + place_warnings,
        packing=_PACKINGS[str(fields["encoding"]).lower()],
        start=start,
        segments=_segments(fields),
    )


def _check_readable(fields: Mapping[str, Any]) -> None:
    """Refuse what ITK or pynrrd read and this program does not."""
    if any(fields.get(name) for name in _SKIPS):
        raise CaseError(
            "E_HEADER",
            "voxels must follow the header at once; got a skip. Convert it:"
            f" {CONVERT.format(file='in.nrrd')}.",
        )
    if str(fields["encoding"]).lower() not in _PACKINGS:
        raise CaseError(
            "E_HEADER",
            f"the encoding must be raw or gzip; got {fields['encoding']}. Encode it anew: python -c"
            " \"import nrrd; d, h = nrrd.read('in.nrrd'); h['encoding'] = 'gzip';"
            " nrrd.write('out.nrrd', d, h)\".",
        )


def _several_numbers(fields: Mapping[str, Any], sizes: list[int]) -> CaseError:
    kinds = " ".join(str(kind) for kind in fields.get("kinds", ())) or "unknown"
    return CaseError(
        "E_4D",
        f"an image must have one number per voxel; got axes of {sizes}, kinds {kinds}: colours,"
        " several volumes, or a segmentation with several layers. In 3D Slicer save the one"
        " volume, or export the segmentation as a labelmap.",
    )


def _dtype(fields: Mapping[str, Any]) -> np.dtype[Any]:
    name = str(fields["type"]).lower()
    if name not in _TYPES:
        raise CaseError(
            "E_HEADER",
            f"the type must be an integer of 8 to 64 bits, float or double; got {name}. Export the"
            " image again.",
        )
    dtype = np.dtype(_TYPES[name])
    # A missing byte order is no licence to guess.
    return (
        dtype
        if dtype.itemsize == 1
        else dtype.newbyteorder(_ENDIANS[str(fields["endian"]).lower()])
    )


def _steps(
    fields: Mapping[str, Any], n_axes: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], tuple[str, ...]]:
    """Return the step along every axis (axes, 3) and the origin (3,), both RAS in mm.

    A step that is none is NaN.
    """
    if "space directions" not in fields or "space" not in fields:
        return _assumed_steps(fields, n_axes)
    space = str(fields["space"]).lower()
    if space not in _SPACES:
        raise CaseError(
            "E_SPACE",
            f"the space must be one of {', '.join(name for name in _SPACES if '-' in name)}; got"
            f" {space}. Export the image again, in 3D Slicer for example.",
        )
    steps = np.asarray(fields["space directions"], np.float64)
    origin = np.asarray(fields.get("space origin", (0, 0, 0)), np.float64)
    if steps.shape != (n_axes, 3) or origin.shape != (3,):
        raise ValueError(f"space directions of shape {steps.shape} with {n_axes} axes")
    factor, warnings = _unit(fields)
    if "space origin" not in fields:
        warnings += ("the header has no space origin: 0, 0, 0 was assumed, as ITK does",)
    to_ras = np.array(_SPACES[space]) * factor
    return steps * to_ras, origin * to_ras, warnings


def _assumed_steps(
    fields: Mapping[str, Any], n_axes: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], tuple[str, ...]]:
    spacings = np.asarray(fields.get("spacings", ()), np.float64)
    if spacings.shape != (n_axes,) or n_axes != 3:
        raise CaseError(
            "E_SPACING",
            "the header must have both space and space directions; got not both, so that the voxel"
            " size is unknown. Export the image again, or if you know the size, here 1 mm: python"
            " -c \"import SimpleITK as s; i = s.ReadImage('in.nrrd'); i.SetSpacing((1, 1, 1));"
            " s.WriteImage(i, 'out.nii.gz')\".",
        )
    warning = (
        "the header says nothing about position and orientation: axes L, P, S from 0, 0, 0 were"
        " assumed, as ITK does"
    )
    return np.diag(spacings * (-1, -1, 1)), np.zeros(3), (warning,)


def _unit(fields: Mapping[str, Any]) -> tuple[float, tuple[str, ...]]:
    units = {str(unit).strip('"').lower() for unit in fields.get("space units", ())} - {""}
    if not units or units == {"mm"}:
        return 1.0, ()
    if len(units) > 1 or not units <= _MM_PER_UNIT.keys():
        raise ValueError(f"space units {sorted(units)}")
    (unit,) = units
    return _MM_PER_UNIT[unit], (
        f"the unit of length is {unit}, converted to mm; many programs ignore the unit",
    )


def _segments(fields: Mapping[str, Any]) -> tuple[str, ...]:
    """Say what 3D Slicer wrote about the segments of a segmentation."""
    found = dict.fromkeys(match.group() for name in fields if (match := _SEGMENT.match(name)))
    return tuple(
        f"{fields.get(f'{name}_LabelValue', '?')} = {fields.get(f'{name}_Name', '?')}"
        for name in found
    )
