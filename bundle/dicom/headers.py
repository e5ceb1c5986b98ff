"""Reads the header of a DICOM file, without its voxels and without keeping who the patient is."""

import math
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, BinaryIO

from bundle.dicom.enhanced import KEYWORDS as ENHANCED_KEYWORDS
from bundle.dicom.enhanced import frame_places, measured_enhanced
from bundle.dicom.instance import Instance, Measured, Pixels, Place
from bundle.dicom.pixel_bytes import missing_bytes
from bundle.files.hashes import sha256_of

_PERSONAL = (
    *("PatientName", "PatientID", "OtherPatientIDs", "PatientBirthDate", "AccessionNumber"),
    *("PatientBirthName", "IssuerOfPatientID", "ReferringPhysicianName"),
)
KEYWORDS = (
    *_PERSONAL,
    *("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "Modality"),
    *("SeriesNumber", "SeriesDescription", "ProtocolName", "ImageType", "EchoTime"),
    *("RepetitionTime", "InversionTime", "ScanningSequence", "MRAcquisitionType"),
    *("DiffusionBValue", "ContrastBolusAgent", "AcquisitionDate", "AcquisitionTime"),
    *("SeriesDate", "SeriesTime", "StudyDate", "AcquisitionDateTime", "Rows", "Columns"),
    *("NumberOfFrames", "SamplesPerPixel", "BitsAllocated", "BurnedInAnnotation"),
    *("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness"),
    *("RescaleSlope", "RescaleIntercept", "SpacingBetweenSlices"),
    *ENHANCED_KEYWORDS,
)
_NO_AGENT = re.compile(r"no|none|n|nil|0|without|ohne|nein|not given|unenhanced", re.I)
_LONGEST = 64
_SCANS = tuple(f"1.2.840.10008.5.1.4.1.1.{end}" for end in ("2", "2.1", "4", "4.1"))
"""Classes of CT and MR images, of one frame and of several."""


def read_header(path: Path, pydicom: Any) -> Instance | None:
    """Read a file; None if it is no DICOM file.

    Args:
        path: of any file.
        pydicom: the module, silenced.

    Raises:
        OSError: it cannot be read.
        ValueError: it is DICOM, and damaged.
    """
    with path.open("rb") as file:
        try:
            header = pydicom.dcmread(
                file, stop_before_pixels=True, force=True, specific_tags=list(KEYWORDS)
            )
            if not header or not text(header, "SOPClassUID"):
                return None
            if text(header, "SOPClassUID") in _SCANS and not text(header, "Rows"):
                raise ValueError("ends before its image is described")
            return _instance(path, header, file)
        except OSError:
            raise
        except Exception as error:  # pydicom raises whatever damaged bytes lead to
            raise ValueError(f"a damaged header ({type(error).__name__})") from None


def _instance(path: Path, header: Any, file: BinaryIO) -> Instance:
    personal = _personal_words(header)
    multi = "PerFrameFunctionalGroupsSequence" in header
    return Instance(
        path=path,
        sop_class=text(header, "SOPClassUID"),
        sop_uid=text(header, "SOPInstanceUID"),
        study_uid=text(header, "StudyInstanceUID"),
        series_uid=text(header, "SeriesInstanceUID"),
        patient=_patient(header),
        scanner=text(header, "Modality"),
        number=_whole(header, "SeriesNumber"),
        description=_without(text(header, "SeriesDescription"), personal),
        protocol=_without(text(header, "ProtocolName"), personal),
        image_type=texts(header, "ImageType"),
        measured=measured_enhanced(header) if multi else _measured(header),
        agent=_agent(header),
        time=_time(header),
        pixels=_pixels(header, file),
        places=frame_places(header) if multi else (_place(header),),
    )


def _measured(header: Any) -> Measured:
    return Measured(
        te=number(header, "EchoTime"),
        tr=number(header, "RepetitionTime"),
        ti=number(header, "InversionTime") or None,
        sequence=texts(header, "ScanningSequence"),
        dimensions=text(header, "MRAcquisitionType"),
        b_value=number(header, "DiffusionBValue"),
    )


def _pixels(header: Any, file: BinaryIO) -> Pixels:
    rows, columns = _whole(header, "Rows") or 0, _whole(header, "Columns") or 0
    frames = _whole(header, "NumberOfFrames") or 1
    samples = _whole(header, "SamplesPerPixel") or 1
    n_bytes = (
        rows * columns * samples * frames * math.ceil((_whole(header, "BitsAllocated") or 16) / 8)
    )
    return Pixels(
        rows=rows,
        columns=columns,
        frames=frames,
        samples=samples,
        missing=missing_bytes(header, file, n_bytes) if n_bytes else "",
        burned_in=text(header, "BurnedInAnnotation").upper() == "YES",
    )


def _place(header: Any) -> Place:
    position = numbers(header, "ImagePositionPatient", 3)
    spacing = numbers(header, "PixelSpacing", 2)
    return Place(
        position=None if position is None else (position[0], position[1], position[2]),
        orientation=numbers(header, "ImageOrientationPatient", 6),
        spacing=None if spacing is None else (spacing[0], spacing[1]),
        thickness_mm=number(header, "SliceThickness"),
        slope=_default(number(header, "RescaleSlope"), 1.0),
        intercept=_default(number(header, "RescaleIntercept"), 0.0),
    )


def text(header: Any, keyword: str) -> str:
    """Return a value as text, empty if there is none."""
    value = header.get(keyword)
    return "" if value is None else str(value).strip()[:_LONGEST]


def texts(header: Any, keyword: str) -> tuple[str, ...]:
    """Return a value of one or several texts, in capitals."""
    value = header.get(keyword)
    several = [value] if isinstance(value, str) else value or ()
    return tuple(str(one).strip().upper() for one in several)


def number(header: Any, keyword: str) -> float | None:
    """Return a number, None if there is none that is finite."""
    values = numbers(header, keyword, 1)
    return values[0] if values else None


def numbers(header: Any, keyword: str, n: int) -> tuple[float, ...] | None:
    """Return n finite numbers, None if there are not so many."""
    value = header.get(keyword)
    is_one = isinstance(value, str | int | float) or not isinstance(value, Iterable)
    try:
        found = tuple(float(one) for one in ([value] if is_one else value))
    except (TypeError, ValueError):
        return None
    return found if len(found) == n and all(map(math.isfinite, found)) else None


def _whole(header: Any, keyword: str) -> int | None:
    value = number(header, keyword)
    return None if value is None else int(value)


def _default(value: float | None, default: float) -> float:
    return default if value is None else value


def _agent(header: Any) -> bool | None:
    if "ContrastBolusAgentSequence" in header and header.ContrastBolusAgentSequence:
        return True
    given = text(header, "ContrastBolusAgent")
    return None if not given else not _NO_AGENT.fullmatch(given)


def _time(header: Any) -> str:
    whole = text(header, "AcquisitionDateTime")
    if whole:
        return whole
    hour = text(header, "AcquisitionTime")
    if not hour and texts(header, "ImageType")[:1] != ("DERIVED",):  # else that of computing
        hour = text(header, "SeriesTime")
    day = next(filter(None, (text(header, f"{k}Date") for k in ("Acquisition", "Series"))), "")
    return f"{day or text(header, 'StudyDate')}{hour}" if hour else ""


def _patient(header: Any) -> str:
    identity = [text(header, key) for key in ("PatientID", "IssuerOfPatientID")]
    if not identity[0]:
        identity = [text(header, key) for key in ("PatientName", "PatientBirthDate")]
    return sha256_of("\x00".join(identity).encode()) if any(identity) else ""


def _personal_words(header: Any) -> list[str]:
    """List what names the patient, to be found in other texts: long words first."""
    words: set[str] = set()
    for keyword in _PERSONAL:
        value = header.get(keyword)
        words |= set(re.split(r"[\W_]+", "" if value is None else str(value)))
        words.add(text(header, keyword))
    return sorted((word for word in words if len(word) > 2), key=len, reverse=True)


def _without(words: str, personal: Iterable[str]) -> str:
    for word in personal:
        words = re.sub(re.escape(word), "...", words, flags=re.I)
    return words
