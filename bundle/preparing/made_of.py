"""What tells an exam, and how it is to be prepared, from others: bytes, choices, version."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bundle import __version__
from bundle.datasets.case_files import case_files
from bundle.datasets.decathlon import Channel
from bundle.dicom.study_list import STUDY
from bundle.files.hashes import sha256_of_facts, sha256_of_file, sha256_of_files
from bundle.preparing.options import PrepareOptions
from bundle.tasks.task import Task
from bundle.volumes.nifti_file import halves


def made_of(case: Mapping[Any, Any], options: PrepareOptions, task: Task) -> str:
    """Return 64 hexadecimal digits that change with anything that a prepared case follows from.

    A file counts as its bytes, not its place.

    Raises:
        CaseError: the case has no files that can be named.
        OSError: a file cannot be read.
    """
    if STUDY in case:
        source: Any = sorted(map(sha256_of_file, case[STUDY].files))
    else:
        source = {name: _facts(file) for name, file in case_files(case, task=task).items()}
    chosen = {
        name: sha256_of_file(value) if isinstance(value, Path) else value
        for name, value in asdict(options).items()
    }
    return sha256_of_facts([__version__, task.name, chosen, str(case["case_id"]), source])


def _facts(file: Any) -> list[Any]:
    path, place = (file.file, file.position) if isinstance(file, Channel) else (file, None)
    return [sha256_of_files(dict.fromkeys(halves(Path(path)))), place]
