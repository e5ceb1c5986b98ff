"""Writes a prepared exam as a case folder: its images, and how they came about."""

import shutil
from collections.abc import Collection, Mapping
from pathlib import Path

from bundle.cases.prepared_exam import PreparedExam
from bundle.cases.prepared_file import ENDING, prepared_bytes, read_prepared
from bundle.errors import CaseError, OutputError
from bundle.files.hashes import sha256_of_file
from bundle.files.staged_folder import becoming
from bundle.volumes.image_volume import Volume
from bundle.volumes.nifti_output import write_volume

IMAGE_ENDING = ".nii.gz"


def write_prepared(
    folder: Path,
    case_id: str,
    exam: PreparedExam,
    volumes: Mapping[str, Volume],
    untouched: Collection[str],
    made_of: str | None = None,
) -> None:
    """Write ``CASE-MODALITY.nii.gz`` and ``CASE_prepare.json`` into a folder, whole or not at all.

    Args:
        folder: a new one, or one that this function wrote before, which is replaced.
        case_id: name of the case.
        exam: how it was prepared.
        volumes: by modality, on the working grid.
        untouched: modalities whose files are copied byte by byte where they are ``.nii.gz``.
        made_of: by which `find_earlier` knows the case again.

    Raises:
        CaseError: E_CHANGED, a file changed since it was read.
        OutputError: the folder is somebody else's, or cannot be written.
    """
    _check_own(folder)
    with becoming(folder) as stage:
        written = {}
        for modality, volume in volumes.items():
            path = stage / f"{case_id}-{modality}{IMAGE_ENDING}"
            if modality in untouched and volume.path.name.lower().endswith(IMAGE_ENDING):
                _copy(volume, path, case_id)
            else:
                write_volume(path, volume.data, volume.grid, description=modality)
            written[modality] = sha256_of_file(path)
        (stage / f"{case_id}{ENDING}").write_bytes(prepared_bytes(exam, written, made_of))


def find_earlier(folder: Path, case_id: str, made_of: str) -> PreparedExam | None:
    """Return the exam that an earlier run prepared into a folder; None unless it is whole and made
    of the same.
    """
    found = read_prepared(folder / f"{case_id}{ENDING}", made_of)
    if found is None:
        return None
    exam, written = found
    try:
        is_whole = all(
            sha256_of_file(folder / f"{case_id}-{name}{IMAGE_ENDING}") == written.get(name)
            for name in exam.modalities
        )
    except OSError:
        return None
    return exam if is_whole else None


def _copy(volume: Volume, path: Path, case_id: str) -> None:
    shutil.copyfile(volume.path, path)
    if sha256_of_file(path) != volume.sha256:
        raise CaseError(
            "E_CHANGED",
            f"Case {case_id}: {volume.path} must not change while it is prepared. Run again.",
        )


def _check_own(folder: Path) -> None:
    """Refuse to replace a folder that holds anything but a prepared case."""
    if not folder.exists():
        return
    names = [path.name for path in folder.iterdir()] if folder.is_dir() else [folder.name]
    own = all(name.endswith((IMAGE_ENDING, ENDING)) for name in names)
    if not own or (names and not any(name.endswith(ENDING) for name in names)):
        raise OutputError(
            "E_EXISTS",
            f"The folder {folder} must be new, or a case prepared before; it holds something else."
            " Choose another output folder.",
        )
