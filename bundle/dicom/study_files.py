"""Finds the DICOM files of a folder, whatever they are called and whatever lies among them."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from bundle.dicom.headers import read_header
from bundle.dicom.instance import Instance
from bundle.errors import CaseError
from bundle.files.dicom_file import looks_like_dicom, silent_pydicom

_N_LOOKED_AT = 200
_DIRECTORY = "1.2.840.10008.1.3.10"  # a DICOMDIR lists files and is no object of a study


@dataclass(frozen=True)
class StudyFiles:
    """What a folder holds.

    Attributes:
        instances: its DICOM objects, in the order of their paths.
        damaged: DICOM files that cannot be read, with why.
        n_others: files that are no DICOM.
    """

    instances: tuple[Instance, ...]
    damaged: tuple[tuple[Path, str], ...]
    n_others: int


def is_study(path: Path) -> bool:
    """Whether a folder holds DICOM files, by the first bytes of some of its files and not by their
    names.
    """
    if not path.is_dir():
        return False
    return any(map(looks_like_dicom, islice(_files(path), _N_LOOKED_AT)))


def read_files(paths: Path | tuple[Path, ...], *, case_id: str) -> StudyFiles:
    """Read the headers of a folder's files, or of some files.

    Raises:
        SetupError: E_EXTRA, pydicom is not installed.
        CaseError: E_UNREADABLE, a file cannot be read; E_STUDY, there is no DICOM object.
    """
    instances: list[Instance] = []
    damaged: list[tuple[Path, str]] = []
    n_others = 0
    with silent_pydicom() as pydicom:
        for path in _files(paths) if isinstance(paths, Path) else paths:
            try:
                read = read_header(path, pydicom) if looks_like_dicom(path) else None
            except ValueError as error:
                damaged.append((path, str(error)))
                continue
            except OSError as error:
                raise _unreadable(case_id, error) from None
            if read is None:
                n_others += 1
            elif read.sop_class != _DIRECTORY:
                instances.append(read)
    if not instances:
        raise _empty(case_id, len(damaged), n_others)
    return StudyFiles(tuple(instances), tuple(damaged), n_others)


def _files(folder: Path) -> Iterator[Path]:
    """Yield regular files below a folder, sorted; links to folders are not followed."""
    for here, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = Path(here) / name
            if not name.startswith(".") and path.is_file():
                yield path


def _unreadable(case_id: str, error: OSError) -> CaseError:
    return CaseError(
        "E_UNREADABLE",
        f"Case {case_id}: all files of a study must be readable; got an error: {error.strerror}."
        " Check their permissions.",
    )


def _empty(case_id: str, n_damaged: int, n_others: int) -> CaseError:
    """Make the error for a folder without DICOM; its name may be the patient's."""
    return CaseError(
        "E_STUDY",
        f"Case {case_id}: a study's folder must hold DICOM files; got {n_others} files that are"
        f" none and {n_damaged} that are damaged. Give the folder of a study, or export it again.",
    )
