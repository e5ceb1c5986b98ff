"""The file beside the images of a prepared case that says how the exam became it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bundle.cases.prepared_exam import PreparedExam
from bundle.errors import UserError
from bundle.files.json_file import json_bytes, read_json

ENDING = "_prepare.json"

_VERSION = 1


def prepared_bytes(
    exam: PreparedExam, written: Mapping[str, str], made_of: str | None = None
) -> bytes:
    """Return what stands in the file.

    Args:
        exam: how it was prepared.
        written: modality to the SHA-256 of the image that was written for it.
        made_of: tells the exam, and how it was to be prepared, from others; None where nobody
            will ask.
    """
    facts = {"version": _VERSION, "images": dict(written), "made_of": made_of, **exam.to_facts()}
    return json_bytes(facts)


def read_prepared(path: Path, made_of: str) -> tuple[PreparedExam, dict[str, str]] | None:
    """Read the exam and the SHA-256 of its images; None if it was made of something else, or cannot
    be read.
    """
    try:
        facts: dict[str, Any] = read_json(path)
        if facts["made_of"] != made_of:
            return None
        return PreparedExam.from_facts(facts), dict(facts["images"])
    except (UserError, KeyError, TypeError, ValueError):
        return None


def find_prepared(images: Mapping[str, tuple[Path, str]]) -> tuple[PreparedExam | None, str]:
    """Read how images were prepared, if a file beside them says it of these very images.

    Args:
        images: modality to file and the SHA-256 of its bytes.

    Returns:
        The exam, and a warning; None if nobody says, and then a warning if a file says it of other
        images.
    """
    folders = {path.parent for path, _ in images.values()}
    found = [path for folder in folders for path in sorted(folder.glob(f"*{ENDING}"))]
    if len(folders) != 1 or len(found) != 1:
        return None, ""
    stale = f"{found[0].name} is not believed, because"
    try:
        facts: dict[str, Any] = read_json(found[0])
        exam, written = PreparedExam.from_facts(facts), dict(facts["images"])
    except (UserError, KeyError, TypeError, ValueError):
        return None, f"{stale} it cannot be read: prepare the exam again"
    if any(written.get(modality) != sha256 for modality, (_, sha256) in images.items()):
        return None, f"{stale} it is of other images than those beside it: prepare the exam again"
    return exam, ""
