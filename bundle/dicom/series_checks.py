"""What converters hide: series that are no single whole stack of one patient's images."""

from bundle.dicom.other_kinds import IMAGE_TYPES
from bundle.dicom.series import Series
from bundle.dicom.stack import FEWEST, Stack, StackError, stack_of
from bundle.errors import CaseError

_PICTURES = ("1.2.840.10008.5.1.4.1.1.7", "1.2.840.10008.5.1.4.1.1.66")
"""Classes of objects that have voxels and are no scans: secondary captures, segmentations."""

_WAY_OUT = "Export it from the archive again, or choose another series by --series."


def not_a_scan(series: Series) -> str:
    """Say what a series is that is no image of a modality at all; empty if it may be one."""
    first = series.first
    if any(one.sop_class.startswith(_PICTURES) for one in series.instances):
        return "it is a capture or a segmentation and no scan"
    if not first.pixels.rows or not first.pixels.columns:
        return f"it is no image ({first.scanner or 'of no modality'})"
    if any(one.pixels.samples > 1 for one in series.instances):
        return "it has colours for voxels"
    if any(one.pixels.burned_in for one in series.instances):
        return "texts are burnt into its images (BurnedInAnnotation)"
    kinds = {word for one in series.instances for word in one.image_type[2:]}
    known = sorted(kinds & set(IMAGE_TYPES))
    if known:
        return f"it is {IMAGE_TYPES[known[0]]} (ImageType {known[0]})"
    if first.measured.b_value:
        return f"it is diffusion (b {first.measured.b_value:g})"
    if series.n_slices < FEWEST:
        return f"it has {series.n_slices} slices only, as a localiser has"
    return ""


def check_series(series: Series, case_id: str) -> Stack:
    """Return the stack of a series, or say in one sentence why it cannot be used.

    Raises:
        CaseError: E_SERIES_BROKEN.
    """
    patients = {one.patient for one in series.instances}
    if len(patients) > 1:
        raise broken(series, case_id, f"images of {len(patients)} patients under one series UID")
    studies = {one.study_uid for one in series.instances}
    if len(studies) > 1:
        raise broken(series, case_id, f"images of {len(studies)} studies under one series UID")
    _check_files(series, case_id)
    try:
        return stack_of(series)
    except StackError as error:
        raise broken(series, case_id, str(error)) from None


def _check_files(series: Series, case_id: str) -> None:
    missing = [one.pixels.missing for one in series.instances if one.pixels.missing]
    if missing:
        what = f"{len(missing)} truncated of {len(series.instances)} files ({missing[0]})"
        raise broken(series, case_id, what)
    uids = {one.sop_uid for one in series.instances}
    if len(uids) < len(series.instances):
        raise broken(series, case_id, "different images under one SOPInstanceUID")
    for one in series.instances:
        if len(one.places) != one.pixels.frames:
            what = f"{one.pixels.frames} frames with {len(one.places)} positions"
            raise broken(series, case_id, what)
    if len(series.instances) > 1 and any(one.pixels.frames > 1 for one in series.instances):
        raise broken(series, case_id, f"{len(series.instances)} multi-frame files")


def broken(series: Series, case_id: str, got: str) -> CaseError:
    """Make the error for a series that cannot be used."""
    return CaseError(
        "E_SERIES_BROKEN",
        f"Case {case_id}: {series.title} must be one whole stack of images of one patient; got"
        f" {got}. {_WAY_OUT}",
    )
