"""The DICOM series that a result is written on: its headers, and where its voxels lie."""

import io
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np
from highdicom.spatial import get_series_volume_positions
from numpy.typing import NDArray
from pydicom import Dataset, dcmread
from pydicom.errors import InvalidDicomError

from bundle.cases.case_record import CaseRecord
from bundle.files.hashes import sha256_of
from bundle.outputs.dicom.reference import Reference
from bundle.volumes.geometry import Affine, Grid, grid_from_affine

_PLACE = itemgetter(0)
LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])

_SEXES = ("M", "F", "O", "")
_MAY_BE_EMPTY = (
    "PatientID",
    "PatientName",
    "PatientBirthDate",
    "PatientSex",
    "AccessionNumber",
    "StudyID",
    "StudyDate",
    "StudyTime",
    "ReferringPhysicianName",
)
"""Attributes of type 2, which every object has, though they may be empty."""


@dataclass(frozen=True, eq=False)
class SourceSeries:
    """The images of a series, sorted along their normal.

    Attributes:
        images: headers without pixels.
        grid: of the voxels (column, row, image).
        moved_by: (4, 4), world to world in RAS+ mm, from the series to the prepared case.
        sha256: of the files' bytes in the order of the record.
    """

    images: tuple[Dataset, ...]
    grid: Grid
    moved_by: Affine
    sha256: str

    def frames(self, values: NDArray[Any]) -> NDArray[Any]:
        """Reorder a map on the series' grid to (image, row, column), as DICOM stores it."""
        return np.ascontiguousarray(values.transpose(2, 1, 0))


def read_series(record: CaseRecord) -> SourceSeries:
    """Read the series of the reference again, to its last byte the one that was segmented.

    Raises:
        CaseError: E_DICOM_SOURCE, the case was not read from DICOM, or its files are gone, changed
            or no evenly spaced stack of images.
    """
    reference = Reference.of_case(record)
    contents = [_content(file, reference) for file in reference.files]
    if sha256_of(*contents) != reference.sha256:
        raise reference.error("got others: they changed meanwhile. Prepare the study again")
    stack = _sorted([_header(content, reference) for content in contents], reference)
    return SourceSeries(stack, _grid(stack), reference.moved_by, reference.sha256)


def _content(file: str, reference: Reference) -> bytes:
    try:
        return Path(file).read_bytes()
    except OSError as error:
        raise reference.error(
            f"one could not be read ({error.strerror}). Put the study back where it was, or prepare"
            " it again"
        ) from None


def _header(content: bytes, reference: Reference) -> Dataset:
    # What pydicom warns of quotes values, and they may be the patient's.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            image = dcmread(io.BytesIO(content), stop_before_pixels=True)
        except (InvalidDicomError, EOFError, ValueError, KeyError):
            raise reference.error("got one that is no DICOM. Prepare the study again") from None
    for name in _MAY_BE_EMPTY:
        if name not in image:
            setattr(image, name, "")
    if image.PatientSex not in _SEXES:
        image.PatientSex = ""
    return image


def _sorted(images: Sequence[Dataset], reference: Reference) -> tuple[Dataset, ...]:
    """Sort images along their normal.

    Raises:
        CaseError: they are no stack, or each of them is several.
    """
    if any("ImagePositionPatient" not in image for image in images):
        raise reference.error(
            "got multi-frame or unplaced images, of which no result can be made yet. Export the"
            " series as single images"
        )
    _, places = get_series_volume_positions(images)
    if places is None or len(images) < 2:
        raise reference.error("got unevenly spaced ones. Export the whole series again")
    return tuple(image for _, image in sorted(zip(places, images, strict=True), key=_PLACE))


def _grid(images: Sequence[Dataset]) -> Grid:
    """Return the grid of voxels (column, row, image)."""
    first, last = (np.array(images[end].ImagePositionPatient, float) for end in (0, -1))
    along_row, along_column = np.array(images[0].ImageOrientationPatient, float).reshape(2, 3)
    between_rows, between_columns = map(float, images[0].PixelSpacing)
    affine = np.eye(4)
    affine[:3, 0] = along_row * between_columns
    affine[:3, 1] = along_column * between_rows
    affine[:3, 2] = (last - first) / (len(images) - 1)
    affine[:3, 3] = first
    shape = (int(images[0].Columns), int(images[0].Rows), len(images))
    return grid_from_affine(shape, LPS_TO_RAS @ affine)
