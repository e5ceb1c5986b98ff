"""What must be true of a task, whoever declares it."""

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from bundle.errors import SetupError
from bundle.tasks.parts import Label, Modality, Region, region_code

if TYPE_CHECKING:
    from bundle.tasks.task import Task

OUTSIDE_ZERO = "zero"
"""Value of ``outside`` where voxels outside are exactly 0."""

_TASK_NAME = re.compile(r"[a-z0-9_]+")
_MODALITY_NAME = re.compile(r"[a-z0-9]+")
_REGION_NAME = re.compile(r"[A-Za-z0-9]+")
_COLUMNS = ("seg", "label", "patient")
_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")
_MAX_REGIONS = 16


def check_task(task: "Task") -> None:
    """Refuse a task whose parts do not fit together.

    Raises:
        SetupError: E_TASK.
    """
    if not _TASK_NAME.fullmatch(task.name):
        rule = "name must be lower-case letters, digits and underscores"
        raise _error(task, rule, task.name)
    texts: dict[str, object] = {"title": task.title, "finding": task.finding}
    for key, text in texts.items():
        if not isinstance(text, str) or not text:
            raise _error(task, f"{key} must be text", text)
    _check_distinct(task, "modalities", [modality.name for modality in task.modalities])
    _check_distinct(task, "aliases", _aliases(task.modalities))
    _check_distinct(task, "regions", [region.name.lower() for region in task.regions])
    _check_distinct(task, "labels", [label.name for label in task.labels])
    if isinstance(task.outside, str) and task.outside != OUTSIDE_ZERO:
        raise _error(task, f"outside must be {OUTSIDE_ZERO}, a number or null", task.outside)
    _check_modalities(task)
    _check_labels(task)
    _check_regions(task)
    _check_numberings(task)
    _check_patterns(task)


def _check_labels(task: "Task") -> None:
    values = [label.value for label in task.labels]
    if values != list(range(1, len(values) + 1)):
        raise _error(task, "labels must have the values 1, 2 and so on, in order", values)
    codes = [region_code(task.regions, value) for value in values]
    if 0 in codes or len(set(codes)) < len(codes):
        raise _error(task, "every label must lie in regions, and no two in the same", codes)


def _check_regions(task: "Task") -> None:
    values = {label.value for label in task.labels}
    members: list[frozenset[int]] = []
    for region in task.regions:
        if not region.labels or not set(region.labels) <= values:
            raise _error(task, f"region {region.name} must have labels of the task", region.labels)
        if not _REGION_NAME.fullmatch(region.name):
            raise _error(task, "names of regions must be letters and digits", region.name)
        members.append(frozenset(region.labels))
    if len(set(members)) < len(members):
        raise _error(task, "no two regions may have the same labels", list(map(sorted, members)))
    if len(members) > _MAX_REGIONS:
        raise _error(task, f"there must be at most {_MAX_REGIONS} regions", len(members))


def _check_numberings(task: "Task") -> None:
    if not task.numberings:
        raise _error(task, "it must have a numbering", "none")
    values = {label.value for label in task.labels}
    for numbering in task.numberings.values():
        what = f"numbering {numbering.name}"
        if set(numbering.values.values()) != values:
            raise _error(task, f"{what} must lead to every label", dict(numbering.values))
        disk = [*numbering.values, *numbering.others]
        if not set(disk) <= set(range(1, 256)) or len(set(disk)) < len(disk):
            raise _error(task, f"{what} must have each value from 1 to 255 once", disk)
    for collection in task.collections:
        if not set(collection.numberings) <= set(task.numberings):
            rule = f"collection {collection.name} must have numberings of the task"
            raise _error(task, rule, collection.numberings)
    if not set(task.doubtful) <= set(task.numberings):
        raise _error(task, "doubtful must name numberings of the task", list(task.doubtful))


def _check_patterns(task: "Task") -> None:
    """Refuse what is no colour and no regular expression before a reader or a viewer meets it."""
    parts: list[Label | Region] = [*task.labels, *task.regions]
    for part in parts:
        if not _COLOUR.fullmatch(part.colour):
            raise _error(task, f"the colour of {part.name} must be like #56c4ff", part.colour)
    patterns = [(part.name, part.words) for part in parts]
    patterns += [(collection.name, collection.pattern) for collection in task.collections]
    for numbering in task.numberings.values():
        patterns.append((numbering.name, numbering.others_words))
        patterns += [(numbering.name, words) for words in numbering.decathlon.values()]
    for name, pattern in patterns:
        try:
            re.compile(pattern or "")
        except re.error as error:
            rule = f"the pattern of {name} must be a regular expression"
            raise _error(task, rule, f"{pattern!r} ({error})") from None


def _check_modalities(task: "Task") -> None:
    names = task.modality_names
    for modality in task.modalities:
        for name in (modality.name, *modality.aliases):
            if not _MODALITY_NAME.fullmatch(name) or name in _COLUMNS:
                rule = "names of modalities must be lower-case letters and digits"
                raise _error(task, f"{rule}, and not {', '.join(_COLUMNS)}", name)
        if modality.family is not None and modality.family not in task.families:
            rule = f"modality {modality.name} must be of a family of the task"
            raise _error(task, rule, modality.family)
        if modality.over is not None and modality.over not in names:
            raise _error(task, f"modality {modality.name} must be over another", modality.over)
    for key, chosen in (("shown_first", task.shown_first), ("opened_first", task.opened_first)):
        if sorted(chosen) != sorted(names):
            raise _error(task, f"{key} must name every modality once", chosen)
    values = sorted(label.value for label in task.labels)
    if sorted(task.outer_labels_first) != values:
        rule = "outlined_first must name the value of every label once"
        raise _error(task, rule, task.outlined_first)


def _check_distinct(task: "Task", what: str, names: Sequence[str]) -> None:
    if not names or len(set(names)) < len(names):
        raise _error(task, f"{what} must be named, and differ", list(names))


def _aliases(modalities: Iterable[Modality]) -> list[str]:
    found: list[str] = []
    for modality in modalities:
        found += dict.fromkeys((modality.name, *modality.aliases))
    return found


def _error(task: "Task", rule: str, got: object) -> SetupError:
    return SetupError("E_TASK", f"Task {task.name}: {rule}; got {got}. Correct its file.")
