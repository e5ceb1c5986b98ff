"""From the two forms of a NIfTI header, sform and qform, to the one affine that is used."""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from nibabel.nifti1 import Nifti1Header
from nibabel.volumeutils import shape_zoom_affine
from scipy.spatial.transform import Rotation

from bundle.errors import CaseError
from bundle.volumes.geometry import (
    MILLIMETRE_CODE,
    SCANNER_CODE,
    Affine,
    Grid,
    HeaderGeometry,
    corner_shift_voxels,
    grid_from_affine,
    orthonormalised,
    shear_cosine,
    spacing_mm,
)

# Half a voxel is the largest misplacement that nobody can see; what is left is rounding if it is
# below a tenth.
MAX_FORM_SHIFT_VOXELS = 0.5
FORM_SHIFT_WARNING_VOXELS = 0.1

# Directions rounded to 3 digits are up to 0.002 off; a sheared grid, from an affine registration,
# far more than 0.01.
MAX_SHEAR_COSINE = 0.01
SHEAR_WARNING_COSINE = 1e-4

MIN_SPACING_MM, MAX_SPACING_MM = 0.2, 15.0
MAX_ORIGIN_MM = 1e5
THICK_SLICE_MM = 5.0

# Below this the three axes span no volume.
_MIN_RELATIVE_VOLUME = 1e-3

_MM_PER_UNIT = {1: ("metre", 1e3), 3: ("micron", 1e-3)}
_SPACE_UNIT_BITS = 7

_NO_VOXEL_SIZE = (
    "The voxel size is unknown: convert the original DICOM series again, with dcm2niix for example."
    " If only the sign is wrong, in Python: import nibabel as n; n.save(n.load('in.nii.gz'),"
    " 'out.nii.gz')."
)

_REPAIR = (
    "Compare with the other modalities in a viewer, then keep the right one. To keep the sform, in"
    " Python: import nibabel as n; i = n.load('in.nii.gz'); i.set_qform(i.get_sform(), 1);"
    " n.save(i, 'out.nii.gz'). To keep the qform: i.set_sform(i.get_qform(), 1) instead."
)


def header_geometry(header: Nifti1Header) -> HeaderGeometry:
    """Take the geometry fields out of a header as they are."""
    rows = [_floats(header[f"srow_{axis}"]) for axis in "xyz"]
    quaternion = [header[f"quatern_{part}"] for part in "bcd"]
    offset = [header[f"qoffset_{axis}"] for axis in "xyz"]
    return HeaderGeometry(
        sform=tuple(rows),
        sform_code=int(header["sform_code"]),
        quaternion=_floats(quaternion),
        offset=_floats(offset),
        pixdim=_floats(header["pixdim"][:4]),
        qform_code=int(header["qform_code"]),
        units=int(header["xyzt_units"]),
    )


def _floats(values: Iterable[float]) -> tuple[float, ...]:
    return tuple(float(value) for value in values)


def sform_affine(header: HeaderGeometry) -> Affine | None:
    """Return the sform in the header's own units, or None if it is not set or spans no volume."""
    affine = np.vstack([np.array(header.sform), [0, 0, 0, 1]])
    return affine if header.sform_code > 0 and _spans_volume(affine) else None


def qform_affine(header: HeaderGeometry) -> Affine | None:
    """Return the qform in the header's own units, or None if it is not set or no rotation."""
    vector = np.array(header.quaternion)
    squared_length = float(vector @ vector)
    # Rounding may push a half turn slightly over 1; Rotation normalises that away.
    if header.qform_code <= 0 or not squared_length <= 1 + 1e-3:
        return None
    rotation = Rotation.from_quat([*vector, np.sqrt(max(0.0, 1 - squared_length))]).as_matrix()
    qfac = -1.0 if header.pixdim[0] < 0 else 1.0
    affine = np.eye(4)
    affine[:3, :3] = rotation * (np.array(header.pixdim[1:]) * [1, 1, qfac])
    affine[:3, 3] = header.offset
    return affine if _spans_volume(affine) else None


def _spans_volume(affine: Affine) -> bool:
    if not np.isfinite(affine).all() or not spacing_mm(affine).all():
        return False
    return bool(abs(np.linalg.det(affine[:3, :3] / spacing_mm(affine))) > _MIN_RELATIVE_VOLUME)


def place(header: HeaderGeometry, shape: tuple[int, int, int]) -> tuple[Grid, tuple[str, ...]]:
    """Decide where a volume lies.

    Args:
        header: fields of a header that passed `check_header`.
        shape: (H, W, D), voxels.

    Returns:
        The grid, and warnings about everything that had to be decided.

    Raises:
        CaseError: E_FORMS if sform and qform disagree or none is usable, E_SHEAR for axes that are
            not perpendicular, E_SPACING for a voxel size that no MRI has, E_ORIGIN for a place that
            no scanner has.
    """
    header, size_warnings = _with_voxel_size(header)
    affine, form_warnings = _choose_form(header, shape)
    form_warnings = size_warnings + form_warnings
    affine, unit_warnings = _in_millimetres(affine, header.units)
    # Spacing first: with the wrong unit everything else would be measured with the wrong ruler.
    spacing_warnings = _check_spacing(affine)
    _check_origin(affine)
    affine, shear_warnings = _without_shear(affine)
    return (
        Grid(shape, affine, header),
        form_warnings + unit_warnings + spacing_warnings + shear_warnings,
    )


def place_affine(affine: Affine, shape: tuple[int, int, int]) -> tuple[Grid, tuple[str, ...]]:
    """Hold an affine that comes from no NIfTI header to the rules for an sform.

    Args:
        affine: (4, 4), voxel to world, RAS+ mm; finite, and no axis of length 0.
        shape: (H, W, D), voxels.

    Returns:
        A grid whose sform and qform both say the affine, straightened if need be, and warnings.

    Raises:
        CaseError: as `place`.
    """
    header = HeaderGeometry(
        sform=tuple(_floats(row) for row in affine[:3]),
        sform_code=SCANNER_CODE,
        quaternion=(0.0, 0.0, 0.0),
        offset=(0.0, 0.0, 0.0),
        pixdim=(1.0, *_floats(spacing_mm(affine))),
        qform_code=0,
        units=MILLIMETRE_CODE,
    )
    placed, warnings = place(header, shape)
    return grid_from_affine(shape, placed.affine), warnings


def _with_voxel_size(header: HeaderGeometry) -> tuple[HeaderGeometry, tuple[str, ...]]:
    """Return a header whose voxel size can be believed: that of the sform where pixdim says none.

    The outputs repeat the mended fields: with a voxel size of 0 or NaN ITK would not open them.
    """
    sizes = np.array(header.pixdim[1:])
    if np.isfinite(sizes).all() and (sizes > 0).all():
        return header, ()
    got = ", ".join(f"{size:g}" for size in sizes)
    sform = sform_affine(header)
    if sform is None:
        raise CaseError(
            "E_SPACING", f"the voxel size pixdim[1:4] must be positive; got {got}. {_NO_VOXEL_SIZE}"
        )
    straight = grid_from_affine((2, 2, 2), orthonormalised(sform)).header
    mended = replace(
        header, quaternion=straight.quaternion, offset=straight.offset, pixdim=straight.pixdim
    )
    return mended, (f"the voxel size pixdim[1:4] is {got}: that of the sform was used",)


def _choose_form(
    header: HeaderGeometry, shape: tuple[int, int, int]
) -> tuple[Affine, tuple[str, ...]]:
    if header.sform_code <= 0 and header.qform_code <= 0:
        affine = shape_zoom_affine(shape, header.pixdim[1:], x_flip=True)
        return affine, (
            (
                "sform_code and qform_code are 0: position and orientation are unknown and were"
                " assumed"
            ),
        )
    sform, qform = sform_affine(header), qform_affine(header)
    if sform is not None and qform is not None:
        return sform, _compare_forms(sform, qform, shape)
    if sform is None and qform is None:
        raise CaseError(
            "E_FORMS",
            "the sform or the qform must be a valid affine; got neither. The orientation is lost:"
            " convert the original DICOM series again.",
        )
    if sform is not None:
        return sform, _compare_sizes(sform, header)
    assert qform is not None
    return qform, ("the sform is invalid, the qform was used",) if header.sform_code > 0 else ()


def _compare_forms(sform: Affine, qform: Affine, shape: tuple[int, int, int]) -> tuple[str, ...]:
    shift = corner_shift_voxels(sform, qform, shape)
    if shift > MAX_FORM_SHIFT_VOXELS:
        raise CaseError(
            "E_FORMS",
            f"sform and qform must place the volume alike, to {MAX_FORM_SHIFT_VOXELS:g} voxel; got"
            f" {shift:.2f} voxels between them at a corner. {_REPAIR}",
        )
    if shift > FORM_SHIFT_WARNING_VOXELS:
        return (f"sform and qform differ by {shift:.2f} voxels at a corner, the sform was used",)
    return ()


def _compare_sizes(sform: Affine, header: HeaderGeometry) -> tuple[str, ...]:
    if header.qform_code > 0:
        return ("the qform is invalid, the sform was used",)
    if np.allclose(spacing_mm(sform), header.pixdim[1:], rtol=0.01):
        return ()
    return ("the voxel sizes in pixdim are not those of the sform, the sform was used",)


def _in_millimetres(affine: Affine, units: int) -> tuple[Affine, tuple[str, ...]]:
    name, factor = _MM_PER_UNIT.get(units & _SPACE_UNIT_BITS, ("mm", 1.0))
    if factor == 1.0:
        return affine, ()
    scaled = affine.copy()
    scaled[:3] *= factor
    return scaled, (
        f"the unit of length is {name}, converted to mm; many programs ignore the unit",
    )


def _check_origin(affine: Affine) -> None:
    origin = affine[:3, 3]
    if np.abs(origin).max() > MAX_ORIGIN_MM:
        in_words = ", ".join(f"{value:.4g}" for value in origin)
        raise CaseError(
            "E_ORIGIN",
            f"the first voxel must lie within {MAX_ORIGIN_MM:g} mm of the scanner's centre, beyond"
            f" which a header's numbers are too coarse; got {in_words} mm. Correct the offset in"
            " the header (srow, qoffset), or convert the original series again.",
        )


def _check_spacing(affine: Affine) -> tuple[str, ...]:
    spacing = spacing_mm(affine)
    in_words = " x ".join(f"{size:.4g}" for size in spacing)
    if spacing.min() < MIN_SPACING_MM or spacing.max() > MAX_SPACING_MM:
        raise CaseError(
            "E_SPACING",
            f"voxels must be {MIN_SPACING_MM:g} to {MAX_SPACING_MM:g} mm in size; got {in_words}"
            " mm. Correct the header's voxel size or unit (xyzt_units).",
        )
    if spacing.max() > THICK_SLICE_MM:
        return (
            (
                f"voxels of {in_words} mm: slices thicker than {THICK_SLICE_MM:g} mm make the"
                " result coarse"
            ),
        )
    return ()


def _without_shear(affine: Affine) -> tuple[Affine, tuple[str, ...]]:
    cosine = shear_cosine(affine)
    if cosine > MAX_SHEAR_COSINE:
        raise CaseError(
            "E_SHEAR",
            f"the axes must be perpendicular, cosine at most {MAX_SHEAR_COSINE:g}; got"
            f" {cosine:.3f}. Resample the image to a box, for example with"
            " nibabel.processing.resample_to_output.",
        )
    if cosine <= SHEAR_WARNING_COSINE:
        return affine, ()
    return orthonormalised(affine), (
        f"the axes are not quite perpendicular (cosine {cosine:.4f}), straightened to compute",
    )
