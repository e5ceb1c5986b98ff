"""Drawn studies for tests, and ways to spoil a copy of one."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pydicom

from bundle.phantoms.dicom_instance import PERSON

PERSONAL = (PERSON, "Case1", "MRN0003", "ACC0003", "19500101")
"""What must never be seen outside of a study: name, ID, accession number, date of birth."""


def copied(study: Path, folder: Path) -> Path:
    return Path(shutil.copytree(study, folder / "study"))


def files_of(study: Path, words: str) -> list[Path]:
    """List the files of the series whose description holds some words, by InstanceNumber."""
    found = []
    for path in sorted(path for path in study.rglob("*") if path.is_file()):
        header = pydicom.dcmread(path, stop_before_pixels=True)
        if words in header.get("SeriesDescription", ""):
            found.append((int(header.InstanceNumber), path))
    assert found, words
    return [path for _, path in sorted(found)]


def changed(study: Path, words: str, change: Callable[[pydicom.Dataset], None]) -> None:
    """Change all files of a series."""
    for path in files_of(study, words):
        image = pydicom.dcmread(path)
        change(image)
        image.save_as(path, enforce_file_format=True)


def with_tags(study: Path, words: str, **tags: object) -> None:
    """Set tags of a series; None takes one out."""

    def change(image: pydicom.Dataset) -> None:
        for keyword, value in tags.items():
            if value is None:
                delattr(image, keyword)
            else:
                setattr(image, keyword, value)

    changed(study, words, change)
