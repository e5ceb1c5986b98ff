"""Lists the cases of a folder of DICOM studies."""

from pathlib import Path
from typing import Any

from bundle.dicom.case_names import SALT, read_salt
from bundle.dicom.own_names import own_name
from bundle.dicom.study_list import STUDY, StudyFolder, list_studies
from bundle.errors import UsageError
from bundle.files.atomic_file import make_folder
from bundle.names.case_ids import checked_items


def study_cases(
    source: Path, out: Path, case_id: str | None = None, *, keep_names: bool = False
) -> tuple[dict[str, Any], ...]:
    """List the studies of a folder, as `Preparer.prepare` takes them.

    Args:
        source: a folder for which `study_files.is_study` is true.
        out: keeps the salt of the cases' names, unless it is ``case_id`` that names the only one.
        case_id: instead of a name that is derived from the patient's identity.
        keep_names: name cases after their patients, where their files do.

    Raises:
        CaseError: there is no study.
        UsageError: ``case_id`` is given, and there are several.
        SetupError: E_EXTRA.
    """
    salt = read_salt(make_folder(out) / SALT) if case_id is None else ""
    studies = list_studies(source, salt=salt)
    if case_id is not None and len(studies) > 1:
        raise UsageError(
            "E_USAGE",
            f"--case-id must go with one study; got {len(studies)} in the folder. Leave it out, or"
            " give the folder of one.",
        )
    return checked_items(
        [
            {"case_id": case_id or _name(study, keep_names), "image": source, STUDY: study}
            for study in studies
        ]
    )


def _name(study: StudyFolder, keep_names: bool) -> str:
    return (own_name(study.files[0]) if keep_names else "") or study.case_id
