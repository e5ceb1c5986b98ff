"""The columns of a list of cases, and the keys of its objects: which are understood, and what to
say of others.
"""

from collections.abc import Iterable
from difflib import get_close_matches
from functools import lru_cache

from bundle.files.text_file import shown
from bundle.tasks.task import Task

CASE_ID, IMAGE, LABEL = "case_id", "image", "label"
WORDS = (CASE_ID, IMAGE, "modalities", LABEL, "label_convention", "patient", "fold")
"""Columns besides the modalities."""

_ALIASES = {"caseid": CASE_ID, "seg": LABEL}
_MOST_NAMED = 8


def image_columns(task: Task) -> tuple[str, ...]:
    """Columns that name images; a list needs one of them."""
    return (*task.modality_names, IMAGE)


@lru_cache(maxsize=1000)  # a list of objects asks for the same few a million times
def canonical_column(name: str, task: Task) -> str | None:
    """Map the name of a column in common use (``Case ID``, ``T1ce``) to the one that this project
    uses, else None.
    """
    key = "_".join(name.strip().lower().replace("-", " ").replace("_", " ").split())
    if key in WORDS or key in _ALIASES:
        return _ALIASES.get(key, key)
    try:
        return task.canonical_modality(name)
    except ValueError:
        return None


def describe_ignored(names: Iterable[str], task: Task) -> str:
    """Say which columns nobody reads, and which of them look like a slip of the pen for one that is
    read.
    """
    slips, others = [], []
    for name in names:
        meant = _meant(name, task)
        if meant:
            slips.append(f"{shown(name, 40)} (is it {meant}?)")
        else:
            others.append(shown(name, 40) or "one without a name")
    listed = [*slips, *others]
    more = f" and {len(listed) - _MOST_NAMED} more" if len(listed) > _MOST_NAMED else ""
    return ", ".join(listed[:_MOST_NAMED]) + more


def _meant(name: str, task: Task) -> str | None:
    """Name the column of images or labels that an unknown name resembles."""
    known = {LABEL: LABEL}
    for modality in task.modalities:
        known |= dict.fromkeys((modality.name, *modality.aliases), modality.name)
    key = name.strip().lower().replace("-", "").replace("_", "").replace(" ", "")
    close = get_close_matches(key[:40], known, n=1, cutoff=0.66)
    return known[close[0]] if close else None
