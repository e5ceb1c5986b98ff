"""Tells what a folder without a description holds: one case, case folders, or the files of several
cases.
"""

from collections import Counter
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from bundle.datasets.flat_folder import is_flat, list_flat_cases
from bundle.datasets.folder_survey import Folder, Survey, read_folder, survey
from bundle.datasets.layouts import Layout
from bundle.errors import UsageError
from bundle.names.case_ids import checked_items, folder_name
from bundle.names.file_names import resolved_names
from bundle.names.image_names import ImageName, is_label_name, read_name
from bundle.names.other_files import listed
from bundle.names.patterns import check_patterns, image_patterns, matches
from bundle.plain_text import printable
from bundle.tasks.task import Task


class FolderCases(NamedTuple):
    """The cases of a folder, how they lie there, and sentences on what was left out."""

    layout: Layout
    items: tuple[dict[str, Any], ...]
    notes: tuple[str, ...]


def list_folder(root: Path, patterns: Mapping[str, str], task: Task) -> FolderCases:
    """List the cases of a folder.

    Case folders may lie up to three levels deeper (`folder_survey.MAX_DEPTH`). Images in the folder
    itself make it a case, or a flat folder of cases, unless case folders lie in it too: then they
    are strays, and named.

    Args:
        root: a folder.
        patterns: glob per modality, relative to the case folder, instead of names; ``seg`` for the
            label.
        task: whose modalities the names are read by.

    Raises:
        UsageError: the folder cannot be listed, holds results only, or a pattern finds nothing in
            any case.
    """
    here = read_folder(root)
    if not here.is_readable:
        raise UsageError(
            "E_FOLDER",
            f"The data folder must be readable; got {_shown(root)}. Check its permissions.",
        )
    globs = image_patterns(patterns)
    knows = partial(_is_matched, patterns=globs) if globs else partial(_is_named, task=task)
    found = survey(here, knows, task.finding_words)
    listing = _by_patterns(here, found, globs) if globs else _by_names(here, found, task)
    if patterns:
        if listing.layout == Layout.flat:
            raise UsageError(
                "E_PATTERN",
                f"--pattern must go with case folders; got {Layout.flat} in {_shown(root)}. Leave"
                " it out.",
            )
        check_patterns([item["image"] for item in listing.items], patterns, root, task)
        listing = listing._replace(
            items=tuple({**item, "patterns": dict(patterns)} for item in listing.items)
        )
    return listing._replace(items=checked_items(listing.items))


def _is_named(folder: Folder, task: Task) -> bool:
    return any(read_name(path.name, task).kind in task.modality_names for path in folder.images)


def _is_matched(folder: Folder, patterns: Mapping[str, str]) -> bool:
    return any(matches(folder.path, pattern) for pattern in patterns.values())


def _by_patterns(here: Folder, found: Survey, patterns: Mapping[str, str]) -> FolderCases:
    """Take the folder itself for the case if the patterns find their files from there, else those
    below it.
    """
    is_deep = any("**" in pattern for pattern in patterns.values())
    if _is_matched(here, patterns) and (not found.known or (is_deep and len(found.known) == 1)):
        return _one_case(here, [])
    return _case_folders(here, found)


def _by_names(here: Folder, found: Survey, task: Task) -> FolderCases:
    names = resolved_names(here.images, task)
    own = {path: name for path, name in names.items() if name.kind in task.modality_names}
    if found.known and not _is_case_with_folders(own, found, task):
        return _case_folders(here, found)
    if not here.images and (here.folders or here.left_out):
        return _case_folders(here, found)
    if is_flat(here.path, names, task):
        items, notes = list_flat_cases(names, task)
        return FolderCases(Layout.flat, tuple(items), tuple(notes))
    notes = (
        [f"{_shown(here.path)} is one case; not used: the images in {listed(found.known)}"]
        if found.known
        else []
    )
    return _one_case(here, notes)


def _is_case_with_folders(own: Mapping[Path, ImageName], found: Survey, task: Task) -> bool:
    """Whether a folder that holds images, and folders with images, is a case: not if its
    images are strays.

    It is if its files are called as those in its folders are (steps of processing one case), or if
    it holds several modalities of one name and only one folder.
    """
    stems = {name.stem for name in own.values()}
    if not stems:
        return False
    below = {
        read_name(path.name, task).stem
        for folder in found.known[:20]
        for path in read_folder(folder).images
    }
    has_several = len(stems) == 1 and len(own) > 1
    if stems & below - {""}:
        return True
    return has_several and (len(found.known) == 1 or stems == {""} == below)


def _one_case(here: Folder, notes: list[str]) -> FolderCases:
    return FolderCases(
        Layout.case, ({"case_id": folder_name(here.path), "image": here.path},), tuple(notes)
    )


def _case_folders(here: Folder, found: Survey) -> FolderCases:
    folders = sorted([*found.known, *found.unknown], key=lambda path: path.parts)
    strays = [path for path in here.images if not is_label_name(path.name)] or here.images
    notes = (
        [f"{_shown(here.path)}: images beside the case folders are not used: {listed(strays)}"]
        if strays
        else []
    )
    if not folders:
        raise UsageError(
            "E_FOLDER",
            f"The data folder must hold cases; got none in {_shown(here.path)}."
            f" {_sentences(found.notes)}Give the folder of the cases.",
        )
    items = [
        {"case_id": name, "image": path}
        for path, name in zip(folders, _names(here.path, folders), strict=True)
    ]
    return FolderCases(Layout.folders, tuple(items), (*found.notes, *notes))


def _names(root: Path, folders: list[Path]) -> list[str]:
    """Name cases after their folders, with the folders above in front where a name stands twice, or
    is but a number.
    """
    names = [folder_name(path) for path in folders]
    counts = Counter(names)
    paths = [path.relative_to(root).parts for path in folders]
    return [
        "_".join(parts) if counts[name] > 1 or (name.isdigit() and len(parts) > 1) else name
        for parts, name in zip(paths, names, strict=True)
    ]


def _sentences(notes: list[str]) -> str:
    return "".join(f"{note}. " for note in notes)


def _shown(path: Path) -> str:
    return printable(str(path))
