"""Names of cases by which their patients are known, for those who ask for them."""

import re
from pathlib import Path

from bundle.files.dicom_file import silent_pydicom

_TAGS = ("PatientID", "PatientName", "StudyDate")
_OTHER = re.compile(r"[^A-Za-z0-9.-]+")


def own_name(file: Path) -> str:
    """Name a study after its patient's ID, or name where there is none, and its date.

    Args:
        file: of the study.

    Returns:
        Letters, digits, points and dashes, ``ID_DATE``; empty if the file names nobody.

    Raises:
        SetupError: E_EXTRA, pydicom is not installed.
    """
    with silent_pydicom() as pydicom:
        header = pydicom.dcmread(
            file, stop_before_pixels=True, specific_tags=list(_TAGS), force=True
        )
        identity, name, date = (str(header.get(tag) or "") for tag in _TAGS)
    words = [_OTHER.sub("-", text).strip("-.") for text in (identity or name, date)]
    return "_".join(word for word in words if word) if words[0] else ""
