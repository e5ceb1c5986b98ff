"""Brings studies from an archive to a folder, and files to an archive."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bundle.errors import OutputError, SetupError, UsageError
from bundle.files.dicom_file import looks_like_dicom
from bundle.files.staged_folder import becoming
from bundle.pacs.archive import Archive, check_uid

ENDING = ".dcm"


def fetch_study(archive: Archive, study_uid: str, folder: Path) -> int:
    """Write a study into a new folder, ``SERIES_UID/INSTANCE_UID.dcm``; whole or not at all.

    Returns:
        How many instances there are.

    Raises:
        SetupError: E_PACS, the archive does not give it.
        OutputError: the folder is there already, or cannot be written.
        UsageError: the UID is none.
    """
    check_uid(study_uid, "A study's UID")
    if folder.exists():
        raise OutputError(
            "E_EXISTS", f"The folder {folder} must be new; it is there. Choose another."
        )
    with becoming(folder) as stage:
        n_instances = 0
        for instance in archive.fetch(study_uid):
            _write(instance, study_uid, stage)
            n_instances += 1
        if not n_instances:
            raise SetupError(
                "E_PACS",
                f"The archive must have study {study_uid}; got no instance of it. Check the UID.",
            )
    return n_instances


def dicom_files(sources: Sequence[Path]) -> list[Path]:
    """List files, and of folders those that are DICOM by their first bytes, in order.

    Raises:
        UsageError: one is not there, or there is nothing to send.
    """
    files: list[Path] = []
    for source in sources:
        if source.is_dir():
            files += sorted(
                path for path in source.rglob("*") if path.is_file() and looks_like_dicom(path)
            )
        elif source.is_file():
            files.append(source)
        else:
            raise UsageError("E_USAGE", f"{source} must be a file or a folder; it is not there.")
    if not files:
        raise UsageError(
            "E_USAGE",
            "There must be DICOM files to send; got none. simmlm segment --dicom writes them.",
        )
    return files


def _write(instance: Any, study_uid: str, stage: Path) -> None:
    """Write one instance, by UIDs that can be names of files."""
    if instance.get("StudyInstanceUID") != study_uid:
        raise SetupError(
            "E_PACS",
            f"The archive must give study {study_uid}; got an instance of another one. Look at the"
            " archive's log.",
        )
    series = check_uid(str(instance.get("SeriesInstanceUID")), "A series' UID")
    name = check_uid(str(instance.get("SOPInstanceUID")), "An instance's UID")
    (stage / series).mkdir(exist_ok=True)
    instance.save_as(stage / series / f"{name}{ENDING}", enforce_file_format=True)
