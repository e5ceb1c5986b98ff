"""What a NIfTI header must say before anything that it claims is believed or allocated."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from nibabel.nifti1 import Nifti1Header

from bundle.errors import CaseError
from bundle.volumes.image_bytes import MAX_VOXEL_OFFSET, MAX_VOXELS
from bundle.volumes.nifti_header import REAL_TYPES, dimensions, has_no_scaling, magic

_RGB_CODES = {128, 2304}
_COMPLEX_CODES = {32, 1792, 2048}


def _offset_is_possible(header: Nifti1Header) -> bool:
    offset = float(header["vox_offset"])
    is_single = magic(header) == header.single_magic[:3]
    lowest = header.single_vox_offset if is_single else 0
    return lowest <= offset <= MAX_VOXEL_OFFSET and offset == int(offset)


def _scaling_is_finite(header: Nifti1Header) -> bool:
    return has_no_scaling(header) or bool(
        np.isfinite([header["scl_slope"], header["scl_inter"]]).all()
    )


def _numbers(values: Iterable[float]) -> str:
    return ", ".join(f"{float(value):g}" for value in values)


@dataclass(frozen=True)
class _Rule:
    """One thing that must hold, in the words of the message.

    Later rules may rely on earlier ones.
    """

    code: str
    holds: Callable[[Nifti1Header], bool]
    must: str
    got: Callable[[Nifti1Header], object]
    remedy: str


_EXPORT_AGAIN = "The header is damaged: export or download the image again."

_RULES = (
    _Rule(
        "E_HEADER",
        lambda h: 1 <= h["dim"][0] <= 7,
        "dim[0] must be 1 to 7",
        lambda h: int(h["dim"][0]),
        _EXPORT_AGAIN,
    ),
    _Rule(
        "E_HEADER",
        lambda h: min(dimensions(h)) > 0,
        "every dimension must be positive",
        dimensions,
        _EXPORT_AGAIN,
    ),
    _Rule(
        "E_RGB",
        lambda h: int(h["datatype"]) not in _RGB_CODES,
        "an MRI volume must have one number per voxel",
        lambda _: "red, green and blue",
        "This looks like screenshots or a colour overlay: use the original series.",
    ),
    _Rule(
        "E_COMPLEX",
        lambda h: int(h["datatype"]) not in _COMPLEX_CODES,
        "an MRI volume must hold real numbers",
        lambda _: "complex ones",
        "Use the magnitude image.",
    ),
    _Rule(
        "E_HEADER",
        lambda h: int(h["datatype"]) in REAL_TYPES,
        "datatype must be an integer of 8 to 64 bits, float32 or float64",
        lambda h: f"code {int(h['datatype'])}",
        _EXPORT_AGAIN,
    ),
    _Rule(
        "E_2D",
        lambda h: len(dimensions(h)) >= 3 and min(dimensions(h)[:3]) > 1,
        "an image must have at least 2 voxels along each of three axes",
        dimensions,
        "Use the whole volume, not one slice.",
    ),
    _Rule(
        "E_TOO_LARGE",
        lambda h: math.prod(dimensions(h)) <= MAX_VOXELS,
        f"a volume must have at most {MAX_VOXELS} voxels",
        dimensions,
        "If the header is right, resample the image to 1 mm; else download it again.",
    ),
    _Rule(
        "E_HEADER",
        _offset_is_possible,
        f"vox_offset must be a whole number between the header's end and {MAX_VOXEL_OFFSET}",
        lambda h: float(h["vox_offset"]),
        _EXPORT_AGAIN,
    ),
    _Rule(
        "E_HEADER",
        _scaling_is_finite,
        "scl_slope and scl_inter must be finite",
        lambda h: _numbers([h["scl_slope"], h["scl_inter"]]),
        _EXPORT_AGAIN,
    ),
)


def check_header(header: Nifti1Header) -> None:
    """Refuse a header that cannot belong to an MRI volume.

    Afterwards `voxel_layout` may be believed.

    Raises:
        CaseError: with the code of the first rule that does not hold.
    """
    for rule in _RULES:
        if not rule.holds(header):
            raise CaseError(rule.code, f"{rule.must}; got {rule.got(header)}. {rule.remedy}")


def check_volume_count(header: Nifti1Header, n_volumes: int) -> None:
    """Refuse a checked header with another number of volumes than somebody has names for.

    Raises:
        CaseError: E_4D.
    """
    sizes = dimensions(header)[3:] or [1]
    if math.prod(sizes) == 1 == n_volumes or (sizes[0] == n_volumes and math.prod(sizes[1:]) == 1):
        return
    if n_volumes == 1:
        must, remedy = (
            "one file must hold one volume",
            (
                "Split it and give each modality its own file, for example with"
                " nibabel.four_to_three; or give it alone and declare its volumes"
                " (modalities=NAME,NAME,...); or name them in a Decathlon folder's dataset.json."
            ),
        )
    else:
        must, remedy = (
            f"the file must hold the {n_volumes} volumes that the data set names",
            "Correct the names.",
        )
    raise CaseError("E_4D", f"{must}; got {dimensions(header)}. {remedy}")
