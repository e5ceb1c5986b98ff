"""Says which images of a folder are not used, and where others lie: a scan must not be dropped
without a word.
"""

from collections.abc import Iterable
from pathlib import Path

from bundle.names.image_names import base_name, is_image, is_label_name, is_other_image
from bundle.names.name_words import words_of
from bundle.plain_text import printable
from bundle.tasks.task import Task

N_NAMED = 4
"""Files that a message names; the others are counted."""


def unused_files(folder: Path, used: Iterable[Path], task: Task) -> tuple[list[Path], list[Path]]:
    """Find the images of a folder that are not used, and those of them that are labels or masks by
    their names.

    Returns:
        Images, those whose names hold a word for a modality first, and labels.
    """
    taken = set(used)
    candidates = [path for path in folder.iterdir() if is_image(path) or is_other_image(path)]
    left = sorted(path for path in candidates if path not in taken)
    labels = [path for path in left if is_label_name(path.name)]
    images = [path for path in left if path not in labels]
    return sorted(images, key=lambda path: not _speaks(path, task)), labels


def listed(files: Iterable[Path]) -> str:
    """Name some files and count the others."""
    names = [printable(path.name) for path in files]
    rest = len(names) - N_NAMED
    return ", ".join(names) if rest <= 0 else f"{', '.join(names[:N_NAMED])} and {rest} more"


def _speaks(path: Path, task: Task) -> bool:
    return any(word.kinds for word in words_of(base_name(path.name), task))


def no_image_message(folder: Path, case_id: str, task: Task) -> str:
    """Say what was looked for in a case folder without a modality, and where images lie instead."""
    images, labels = unused_files(folder, (), task)
    others = images + labels
    found = (
        f"images with other names ({listed(others)})"
        if others
        else "no NIfTI image, .nrrd, .mha or .mgz"
    )
    deeper = folders_with_images(folder)
    where = (
        f" Images lie deeper, in {', '.join(deeper)}: give one of these folders." if deeper else ""
    )
    example, name = task.example, task.example.name
    return (
        f"Case {case_id}: at least one modality must be found; got {found} in {folder}.{where} Name"
        f" the files like CASE-{name}.nii.gz ({_known_names(task)}), or say what they are called"
        f" with --pattern {name}='*_{example.example_file}.nii.gz'; nnU-Net and Decathlon folders"
        " need their dataset.json, other layouts a .csv list."
    )


def _known_names(task: Task) -> str:
    names = ", ".join(task.modality_names)
    others = [word for modality in task.modalities for word in modality.examples]
    return f"{names}; also {', '.join(others)}" if others else names


def folders_with_images(folder: Path, *, n_folders: int = 3, n_visited: int = 500) -> list[str]:
    """Name some folders below one that hold images, relative to it; links are not followed."""
    found: list[str] = []
    waiting = [folder]
    for _ in range(n_visited):
        if not waiting or len(found) >= n_folders:
            break
        here = waiting.pop(0)
        try:
            entries = sorted(here.iterdir())
        except OSError:
            continue
        if here != folder and any(map(is_image, entries)):
            found.append(printable(str(here.relative_to(folder))))
        waiting += [
            path for path in entries if not path.name.startswith(".") and _is_own_folder(path)
        ]
    return found


def _is_own_folder(path: Path) -> bool:
    try:
        return path.is_dir() and not path.is_symlink()
    except OSError:
        return False
