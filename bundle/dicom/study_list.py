"""Lists the studies that a folder holds, one by one or all in one heap."""

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from bundle.dicom.case_names import case_name
from bundle.dicom.instance import Instance
from bundle.dicom.study_files import read_files

STUDY = "study"
"""Key of a listed case that is a DICOM study: its `StudyFolder`."""

UNNAMED = "STUDY"
"""Stands in messages for a case that has no name yet; that of its folder may be the patient's."""


@dataclass(frozen=True)
class StudyFolder:
    """One study of one patient.

    Attributes:
        case_id: names neither the patient nor the study to anybody without the salt.
        folder: where its files lie, perhaps among those of others.
        files: its files.
    """

    case_id: str
    folder: Path
    files: tuple[Path, ...]


def list_studies(folder: Path, *, salt: str) -> tuple[StudyFolder, ...]:
    """List the studies of a folder, in the order of their first files.

    Images of two patients under one series UID stay together, so that reading them refuses them:
    apart, both would look whole.

    Args:
        folder: of one study or of many.
        salt: of `bundle.dicom.case_names.read_salt`.

    Raises:
        SetupError: E_EXTRA, pydicom is not installed.
        CaseError: E_STUDY, there is no DICOM object; E_UNREADABLE.
    """
    found = read_files(folder, case_id=UNNAMED)
    groups: dict[tuple[str, str], list[Instance]] = defaultdict(list)
    owner: dict[str, tuple[str, str]] = {}
    for instance in found.instances:
        key = (instance.patient, instance.study_uid)
        groups[owner.setdefault(instance.series_uid, key)].append(instance)
    return tuple(
        StudyFolder(case_name(*key, salt), folder, tuple(one.path for one in group))
        for key, group in groups.items()
    )
