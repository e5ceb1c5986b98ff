"""Writes one slice of a drawn study as a DICOM file (MR Image Storage)."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from bundle import __version__
from bundle.files.atomic_file import appearing_at_once, make_folder
from bundle.files.dicom_file import import_pydicom, silent_pydicom
from bundle.files.hashes import sha256_of
from bundle.phantoms.dicom_plan import DrawnSeries
from bundle.phantoms.dicom_stack import Array

PERSON = "Drawnperson"
"""Family name of everybody who never lived; it must not be seen in what is made of a study."""

_MR_STORAGE = "1.2.840.10008.5.1.4.1.1.4"
_EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"
_FIRST_MINUTE = datetime(2020, 2, 3, 10, 0)


@dataclass(frozen=True)
class StudyHeader:
    """What all images of a case say.

    Attributes:
        seed: of the drawing.
        number: of the case.
    """

    seed: int
    number: int

    def uid(self, *what: object) -> str:
        """Return a unique identifier that depends on the case and on what it names alone."""
        sources = [f"simmlm/{self.seed}/{self.number}", *map(str, what)]
        return str(import_pydicom().uid.generate_uid(entropy_srcs=sources))

    def fill(self, image: Any) -> None:
        """Set what concerns patient, study, frame of reference and machine."""
        image.SpecificCharacterSet = "ISO_IR 100"
        image.PatientName = f"{PERSON}^Case{self.number}"
        image.PatientID = f"MRN{self.seed:04d}{self.number:05d}"
        image.PatientBirthDate, image.PatientSex = "19500101", "O"
        image.PatientPosition = "HFS"
        image.StudyInstanceUID = self.uid("study")
        image.FrameOfReferenceUID = self.uid("frame")
        image.PositionReferenceIndicator = ""
        image.StudyDate = image.SeriesDate = image.AcquisitionDate = image.ContentDate = (
            f"{_FIRST_MINUTE:%Y%m%d}"
        )
        image.StudyTime = f"{_FIRST_MINUTE:%H%M%S}"
        image.StudyID = str(self.number)
        image.StudyDescription = "Head"
        image.AccessionNumber = f"ACC{self.seed:04d}{self.number:05d}"
        image.ReferringPhysicianName = ""
        image.Manufacturer, image.ManufacturerModelName = "Drawn", "phantom"
        image.DeviceSerialNumber, image.SoftwareVersions = "0", __version__
        image.MagneticFieldStrength, image.ImagedNucleus = 3, "1H"
        image.BodyPartExamined = "HEAD"


@dataclass(frozen=True)
class SeriesHeader:
    """What all images of a series say.

    Attributes:
        study: of the series.
        number: its SeriesNumber.
        series: what it shows.
    """

    study: StudyHeader
    number: int
    series: DrawnSeries

    @cached_property
    def uid(self) -> str:
        """SeriesInstanceUID."""
        return self.study.uid("series", self.number)

    def fill(self, image: Any) -> None:
        """Set what concerns the series and its sequence."""
        series = self.series
        image.Modality = "MR"
        image.SeriesInstanceUID, image.SeriesNumber = self.uid, self.number
        image.SeriesDescription = image.ProtocolName = series.description
        image.ScanOptions = ""
        start = _FIRST_MINUTE + timedelta(minutes=series.minute)
        image.SeriesTime = image.AcquisitionTime = image.ContentTime = f"{start:%H%M%S}"
        image.AcquisitionNumber = 1
        image.EchoNumbers, image.EchoTrainLength = 1, 1
        image.SliceThickness = series.thickness_mm
        image.SpacingBetweenSlices = series.spacing_mm[2]
        image.PixelSpacing = [series.spacing_mm[1], series.spacing_mm[0]]  # of rows, of columns
        for keyword, value in series.tags.items():
            setattr(image, keyword, value)


def write_instance(
    folder: Path, header: SeriesHeader, index: int, place: tuple[Array, Array], values: Array
) -> None:
    """Write a slice into a nested folder under a name that says nothing.

    Args:
        folder: of the study.
        header: of the series.
        index: of the slice in the order of InstanceNumber, from 0.
        place: position of the first voxel, and directions of rows and columns, LPS.
        values: (rows, columns), 0 to 4095; with a slope they are what is stored times it.
    """
    with silent_pydicom() as pydicom:
        image = pydicom.Dataset()
        header.study.fill(image)
        header.fill(image)
        image.SOPClassUID = _MR_STORAGE
        image.SOPInstanceUID = header.study.uid("image", header.number, index)
        image.InstanceNumber = index + 1
        image.ImagePositionPatient = [_decimal(number) for number in place[0]]
        image.ImageOrientationPatient = [_decimal(number) for number in place[1]]
        _fill_pixels(image, values, header.series.slope)
        image.file_meta = _file_meta(pydicom, image.SOPInstanceUID)
        with appearing_at_once(_path(folder, header.uid, image.SOPInstanceUID)) as file:
            pydicom.dcmwrite(file, image, enforce_file_format=True)


def _fill_pixels(image: Any, values: Array, slope: float | None) -> None:
    stored = np.rint(values / (slope or 1.0)).astype("<u2")
    if slope is not None:
        image.RescaleSlope, image.RescaleIntercept, image.RescaleType = slope, 0, "US"
    image.Rows, image.Columns = stored.shape
    image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
    image.BitsAllocated, image.BitsStored, image.HighBit = 16, 16, 15
    image.PixelRepresentation = 0
    image.WindowCenter, image.WindowWidth = 800, 1600
    image.PixelData = stored.tobytes()
    image["PixelData"].VR = "OW"


def _file_meta(pydicom: Any, uid: str) -> Any:
    meta = pydicom.dataset.FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = _MR_STORAGE, uid
    meta.TransferSyntaxUID = _EXPLICIT_LITTLE
    meta.ImplementationVersionName = "SIMMLM"
    return meta


def _path(folder: Path, series_uid: str, uid: str) -> Path:
    """Return where an image lies: names of folders and files as an archive exports them."""
    nest, name = (sha256_of(text.encode()).upper() for text in (series_uid, uid))
    return make_folder(folder / nest[:2] / nest[2:8]) / name[:8]


def _decimal(number: float) -> str:
    """Write a number in the 16 characters that DICOM has for it."""
    return str(import_pydicom().valuerep.format_number_as_ds(float(round(number, 10)) + 0.0))
