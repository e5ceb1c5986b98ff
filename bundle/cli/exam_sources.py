"""Finds the cases that a command is given: named files, a folder of studies, or a data set."""

from pathlib import Path
from typing import Any

from bundle.cli.image_options import ways_to_name
from bundle.datasets.listing import check_case_id, list_cases
from bundle.dicom.study_files import is_study
from bundle.errors import UsageError
from bundle.names.file_names import case_name
from bundle.names.patterns import parse_patterns
from bundle.preparing.study_cases import study_cases
from bundle.tasks.task import Task


def exam_cases(
    source: Path | None,
    files: dict[str, Path],
    out: Path,
    *,
    case_id: str | None,
    pattern: list[str] | None,
    task: Task,
    keep_names: bool = False,
) -> tuple[dict[str, Any], ...]:
    """List the cases.

    Args:
        source: a folder or list, or None.
        files: named by options, by modality.
        out: keeps what names DICOM studies.
        case_id: of named files, or of a single study.
        pattern: values of ``--pattern``.
        task: whose modalities cases have.
        keep_names: name DICOM studies after their patients.

    Raises:
        UsageError: there is no source, or two; an option does not go with it.
    """
    if (source is None) == (not files):
        raise UsageError(
            "E_USAGE",
            f"What to segment must be named, as SOURCE or else as files ({ways_to_name(task)}); got"
            f" {'neither' if source is None else 'both'}. Give one of the two.",
        )
    if source is None:
        if pattern:
            raise UsageError(
                "E_USAGE", "--pattern goes with a folder; named files need none. Leave it out."
            )
        name = case_id or case_name(*files.values(), task=task)
        return ({"case_id": check_case_id(name), "image": files},)
    if source.is_dir() and is_study(source):
        checked = None if case_id is None else check_case_id(case_id)
        return study_cases(source, out, checked, keep_names=keep_names)
    if case_id is not None:
        raise UsageError(
            "E_USAGE",
            "--case-id goes with named files or one DICOM study; other folders and lists give their"
            " own names. Leave it out.",
        )
    return list_cases(source, parse_patterns(pattern or [], task=task), task=task)
