"""Says of a listed case which images and labels are not used, so that no scan is dropped without a
word.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bundle.datasets.case_files import case_folder, case_label
from bundle.names.file_names import resolved_names
from bundle.names.image_names import LABEL, base_name, read_name
from bundle.names.other_files import listed, unused_files
from bundle.names.patterns import image_patterns
from bundle.plain_text import printable
from bundle.tasks.task import Task


def naming_warnings(
    item: Mapping[Any, Any], files: Mapping[str, Any], task: Task
) -> tuple[str, ...]:
    """Say which images of a case are not used, and where a name says something unusual.

    Args:
        item: of `list_cases`.
        files: what `case_files` gives for it.
        task: whose modalities they are.
    """
    unused = unused_images(item, files, task)
    return (*_unused_warning(unused, task), *_agent_warnings(files, task))


def unused_images(
    item: Mapping[Any, Any], files: Mapping[str, Any], task: Task
) -> tuple[Path, ...]:
    """Name the images that lie with those of a case and that no modality takes.

    Labels and masks are none of them.

    Where patterns choose the files, only those are named that seem to be of a modality without a
    pattern.

    Args:
        item: of `list_cases`.
        files: what `case_files` gives for it.
        task: whose modalities they are.
    """
    used = [Path(file) for file in files.values() if isinstance(file, str | Path)]
    folder = case_folder(item)
    if folder is not None:
        images, _ = unused_files(folder, used, task)
        if not image_patterns(item.get("patterns")):
            return tuple(images)
        open_to_choice = set(task.modality_names) - set(files)
        return tuple(path for path in images if read_name(path.name, task).kind in open_to_choice)
    source = Path(item["image"]) if isinstance(item["image"], str | Path) else None
    if source is None or item.get("modalities") or not source.is_file():
        return ()
    stem = read_name(source.name, task).stem
    images, _ = unused_files(source.parent, used, task)
    return tuple(
        path for path in images if stem and re.match(rf"{re.escape(stem)}[-_. ]", path.name)
    )


def label_warnings(item: Mapping[Any, Any], task: Task) -> tuple[str, ...]:
    """Name files of a case folder that seem to be labels but are not taken for its label."""
    folder = case_folder(item)
    if folder is None or item.get("problem") is not None:
        return ()
    label = case_label(item, task=task)
    _, labels = unused_files(folder, () if label is None else [label], task)
    if label is None and labels:
        return (
            (
                f"label: not understood: {listed(labels)}; the case counts as unlabelled. Name it"
                f" CASE{_end(labels[0])} as its images are named, or say what labels are called"
                " with --pattern seg='*_Segm.nii'"
            ),
        )
    others = [path for path in labels if read_name(path.name, task).kind == LABEL]
    return (f"label: other segmentations are not used: {listed(others)}",) if others else ()


def _end(label: Path) -> str:
    return f"_{LABEL}{label.name[len(base_name(label.name)) :]}"


def _unused_warning(images: Sequence[Path], task: Task) -> tuple[str, ...]:
    if not images:
        return ()
    *others, last = task.modality_names
    known = f"{', '.join(others)} or {last}" if others else last
    return (
        (
            f"images that no modality takes: {listed(images)}; if one of them is {known}, choose it"
            " with --pattern, name the files, or rename it"
        ),
    )


def _agent_warnings(files: Mapping[str, Any], task: Task) -> tuple[str, ...]:
    """Warn of T2 and FLAIR, for example, after contrast agent: some of what is looked for shines
    there too, which the network has not seen.
    """
    named = {
        name: Path(file)
        for name, file in files.items()
        if not task.modality(name).agent and isinstance(file, str | Path)
    }
    names = resolved_names(named.values(), task)
    return tuple(
        f"{modality}: by its name {printable(path.name)} was acquired after contrast agent; the"
        " network was trained with scans before it"
        for modality, path in named.items()
        if names[path].kind == modality and names[path].has_agent
    )
