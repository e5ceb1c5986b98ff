"""The header of a MetaImage (.mha, of ITK), with its voxels attached."""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bundle.errors import CaseError
from bundle.volumes.geometry import Grid
from bundle.volumes.image_header import CONVERT, ImageHeader, Packing, place_directions
from bundle.volumes.stored_volume import VoxelLayout, check_shape

_FIRST_LINE = re.compile(rb"^(ObjectType|NDims|Comment|BinaryData|TransformType)[ \t]*=")
_LAST_LINE = re.compile(rb"^ElementDataFile[ \t]*=[ \t]*(.*?)[ \t]*\r?\n", re.M)
_TYPES = {
    "MET_CHAR": "i1",
    "MET_UCHAR": "u1",
    "MET_SHORT": "i2",
    "MET_USHORT": "u2",
    "MET_INT": "i4",
    "MET_UINT": "u4",
    "MET_LONG_LONG": "i8",
    "MET_ULONG_LONG": "u8",
    "MET_FLOAT": "f4",
    "MET_DOUBLE": "f8",
}

# MetaImage is in LPS.
_TO_RAS = np.array([-1.0, -1.0, 1.0])
_CONVERT_IT = f"Convert it: {CONVERT.format(file='in.mha')}."


def is_metaimage(start: bytes) -> bool:
    """Tell by the first line."""
    return _FIRST_LINE.match(start) is not None


def parse_metaimage(start: bytes) -> ImageHeader:
    """Read the header from the first bytes of a file.

    Raises:
        CaseError: the header is damaged, or says what this program does not read; the message has
            the way out.
    """
    last = _LAST_LINE.search(start)
    if last is None:
        raise CaseError(
            "E_TRUNCATED",
            "the header must end with ElementDataFile; got none. Copy or download it again.",
        )
    try:
        fields = _fields(start[: last.start()])
        _check_readable(fields, last.group(1).decode("latin-1"))
        return _header(fields, last.end())
    except (ValueError, LookupError) as error:
        raise CaseError(
            "E_HEADER", f"the MetaImage header must be sound; got {error}. Export the image again."
        ) from error


def _fields(text: bytes) -> dict[str, str]:
    fields: dict[str, str] = {}
    for line in text.decode("latin-1").split("\n")[:-1]:
        name, separator, value = line.partition("=")
        name = name.strip()
        if not separator or name in fields:
            raise ValueError(f"the line {line.strip()!r}")
        fields[name] = value.strip()
    return fields


def _check_readable(fields: Mapping[str, str], data_file: str) -> None:
    if data_file != "LOCAL":
        raise CaseError(
            "E_DETACHED",
            "header and voxels must be one file; got a MetaImage header whose voxels lie"
            f" elsewhere. Put them into one: {CONVERT.format(file='in.mhd')}.",
        )
    if int(fields.get("ElementNumberOfChannels", 1)) != 1:
        raise CaseError(
            "E_RGB",
            "an MRI volume must have one number per voxel; got colours or vectors. Use the original"
            " series.",
        )
    if fields.get("ObjectType", "Image") != "Image" or not _is_true(
        fields, "BinaryData", default=True
    ):
        raise CaseError(
            "E_HEADER",
            f"a MetaImage must be an Image with binary voxels; got another. {_CONVERT_IT}",
        )
    slope = float(fields.get("ElementToIntensityFunctionSlope", 1))
    intercept = float(fields.get("ElementToIntensityFunctionOffset", 0))
    if int(fields.get("HeaderSize", 0)) != 0 or (slope, intercept) != (1.0, 0.0):
        raise CaseError(
            "E_HEADER",
            "voxels must be stored as they are, right after the header; got a HeaderSize, or a"
            f" slope and offset of {slope:g} and {intercept:g}. {_CONVERT_IT}",
        )
    if fields.get("DistanceUnits", "mm") not in ("mm", "?"):
        raise CaseError(
            "E_HEADER",
            f"the unit of length must be mm; got {fields['DistanceUnits']}. Export the image again"
            " in mm.",
        )


def _header(fields: Mapping[str, str], start: int) -> ImageHeader:
    sizes = tuple(int(size) for size in fields["DimSize"].split())
    if len(sizes) != int(fields["NDims"]):
        raise ValueError(f"NDims {fields['NDims']} with DimSize {fields['DimSize']}")
    shape = check_shape(sizes)
    grid, warnings = _place(fields, shape)
    return ImageHeader(
        layout=VoxelLayout(shape, _dtype(fields)),
        grid=grid,
        warnings=warnings,
        packing=Packing.zlib if _is_true(fields, "CompressedData", default=False) else Packing.raw,
        start=start,
    )


def _place(fields: Mapping[str, str], shape: tuple[int, int, int]) -> tuple[Grid, tuple[str, ...]]:
    spacing = _numbers(fields, ("ElementSpacing", "ElementSize"), 3)
    if spacing is None:
        raise CaseError(
            "E_SPACING",
            "the header must have ElementSpacing; got none, so that the voxel size is unknown."
            ' Export the image again, or if you know the size, here 1 mm: python -c "import'
            " SimpleITK as s; i = s.ReadImage('in.mha'); i.SetSpacing((1, 1, 1)); s.WriteImage(i,"
            " 'out.nii.gz')\".",
        )
    # The file lists the direction of one axis after the other.
    rows = _numbers(fields, ("TransformMatrix", "Rotation", "Orientation"), 9)
    origin = _numbers(fields, ("Offset", "Position", "Origin"), 3)
    warnings: tuple[str, ...] = ()
    if rows is None or origin is None:
        warnings = (
            (
                "the header does not say position and orientation: axes L, P, S from 0, 0, 0 were"
                " assumed, as ITK does"
            ),
        )
    directions = (np.eye(3) if rows is None else rows.reshape(3, 3)).T * spacing
    place = np.zeros(3) if origin is None else origin
    grid, place_warnings = place_directions(shape, _TO_RAS[:, None] * directions, _TO_RAS * place)
    return grid, warnings + place_warnings


def _numbers(
    fields: Mapping[str, str], names: tuple[str, ...], count: int
) -> NDArray[np.float64] | None:
    for name in names:
        if name in fields:
            values = np.array([float(value) for value in fields[name].split()])
            if len(values) != count:
                raise ValueError(f"{name} with {len(values)} numbers instead of {count}")
            return values
    return None


def _dtype(fields: Mapping[str, str]) -> np.dtype[Any]:
    name = fields["ElementType"]
    if name not in _TYPES:
        raise CaseError(
            "E_HEADER", f"the type must be one of {', '.join(_TYPES)}; got {name}. {_CONVERT_IT}"
        )
    big = _is_true(
        fields,
        "BinaryDataByteOrderMSB",
        default=_is_true(fields, "ElementByteOrderMSB", default=False),
    )
    return np.dtype(_TYPES[name]).newbyteorder(">" if big else "<")


def _is_true(fields: Mapping[str, str], name: str, *, default: bool) -> bool:
    value = fields.get(name, str(default)).lower()
    if value not in ("true", "false"):
        raise ValueError(f"{name} = {value}")
    return value == "true"
