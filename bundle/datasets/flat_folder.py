"""Lists the cases of a folder in which the images of several lie together, as in the data store of
MONAI Label.
"""

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bundle.errors import CaseError
from bundle.names.file_names import label_of, modalities_of
from bundle.names.image_names import LABEL, ImageName
from bundle.names.other_files import listed
from bundle.tasks.task import Task

Names = Mapping[Path, ImageName]


def is_flat(folder: Path, names: Names, task: Task) -> bool:
    """Whether files are of several cases, and not those of one that go by several names.

    They are if there are two or more stems (``case1``, ``case2``), none of which the folder is
    named after, and a modality stands under two of them or two stand under one: ``a-t1c`` and
    ``b-t2f`` alone may as well be one case.

    Args:
        folder: in which they lie.
        names: from ``file_names.resolved_names``.
        task: whose modalities they are.
    """
    kinds = _kinds(names, task)
    if len(kinds) < 2 or "" in kinds or folder.name in kinds:
        return False
    n_modalities = sum(map(len, kinds.values()))
    return n_modalities > len(set().union(*kinds.values())) or any(
        len(found) > 1 for found in kinds.values()
    )


def list_flat_cases(names: Names, task: Task) -> tuple[list[dict[str, Any]], list[str]]:
    """List one case per stem.

    Returns:
        Dictionaries with ``case_id`` and ``image`` (modality to file), where known ``label``, and
        ``problem`` where the files of a case are ambiguous; sentences on files that are of no case.
    """
    by_stem: defaultdict[str, dict[Path, ImageName]] = defaultdict(dict)
    for path, name in names.items():
        by_stem[name.stem if name.kind is not None else ""][path] = name
    kinds = _kinds(names, task)
    parts = _parts_of_others(kinds)
    items = [_item(stem, by_stem[stem], parts.get(stem), task) for stem in sorted(kinds)]
    others = [path for stem, files in by_stem.items() if stem not in kinds for path in files]
    notes = (
        [f"{others[0].parent}: files of no case by their names: {listed(sorted(others))}"]
        if others
        else []
    )
    return items, notes


def _kinds(names: Names, task: Task) -> dict[str, set[str]]:
    """Return the modalities that stand under each stem."""
    kinds: defaultdict[str, set[str]] = defaultdict(set)
    for name in names.values():
        if name.kind in task.modality_names:
            kinds[name.stem].add(str(name.kind))
    return dict(kinds)


def _parts_of_others(kinds: Mapping[str, set[str]]) -> dict[str, str]:
    """Find stems that go on another one (``P`` and ``P_reg``) and complete its modalities: they may
    be one case.
    """
    parts: dict[str, str] = {}
    for stem, found in kinds.items():
        ends = [index for index, letter in enumerate(stem) if letter in "-_. "]
        for other in (stem[:end] for end in ends):
            if other in kinds and not found & kinds[other]:
                parts[stem], parts[other] = other, stem
    return parts


def _item(stem: str, files: Names, other: str | None, task: Task) -> dict[str, Any]:
    item: dict[str, Any] = {"case_id": stem, "image": next(iter(files))}
    try:
        item["image"] = modalities_of(files, stem, task)
        if other is not None:
            raise CaseError(
                "E_MIXED",
                f"Case {stem}: it must be clear which files are of one case; got"
                f" {listed(sorted(files))} beside files of {other}, with other modalities. Give"
                " each case a folder of its own, or a .csv list.",
            )
        label = label_of(
            {path: name for path, name in files.items() if name.kind == LABEL}, {stem}, stem
        )
    except CaseError as error:
        return {**item, "problem": error}
    return item if label is None else {**item, "label": label}
