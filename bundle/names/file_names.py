"""Tells which of the files of a folder are the modalities and the label of a case, by their names
alone.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path

from bundle.errors import CaseError
from bundle.names.case_ids import folder_name
from bundle.names.image_names import (
    LABEL,
    ImageName,
    base_name,
    is_image,
    is_only_descriptive,
    read_name,
)
from bundle.names.modality_words import modality_words
from bundle.names.name_words import is_descriptive, words_of
from bundle.names.other_files import N_NAMED, listed, no_image_message
from bundle.names.pattern_hints import pattern_hint
from bundle.names.vocabulary import word_set
from bundle.plain_text import printable
from bundle.tasks.default import DEFAULT_TASK
from bundle.tasks.task import Task


def images_in(folder: Path) -> list[Path]:
    """List the images that lie in a folder itself, by name."""
    return sorted(path for path in folder.iterdir() if is_image(path))


def resolved_names(files: Iterable[Path], task: Task) -> dict[Path, ImageName]:
    """Read the names of files that lie together, each in the light of the others and of its folder.

    A word for contrast agent before the modality may be part of a case's name: in ``KM_t1`` beside
    ``KM_t2`` it may be the patient's initials. It is, if the folder is called so or there is a
    ``KM_t1ce`` too; a T1 that leaves the question open gets no kind, because a native T1 and one
    with contrast agent must never be mistaken.
    """
    names = {path: read_name(path.name, task) for path in files}
    together: defaultdict[str, list[tuple[Path, str | None]]] = defaultdict(list)
    for path, name in names.items():
        together[name.stem].append((path, name.kind))
        if name.plain_stem:
            together[name.plain_stem].append((path, name.plain_kind))
    return {path: _resolved(path, name, together, task) for path, name in names.items()}


def _resolved(
    path: Path, name: ImageName, together: Mapping[str, list[tuple[Path, str | None]]], task: Task
) -> ImageName:
    if not (name.plain_stem or name.is_hinted):
        return name
    stem = name.plain_stem or name.stem
    if name.kind is None:
        return (
            ImageName(name.plain_kind, stem) if path.parent.name.lower() == stem.lower() else name
        )
    others = [kind for other, kind in together[stem] if other != path and kind is not None]
    is_called = _is_called(path.parent, stem, task)
    if not others and name.plain_stem and not is_called:
        return name
    kind = name.plain_kind if name.plain_stem else name.kind
    plain = ImageName(kind, stem)
    words = modality_words(task)
    is_clear = kind == name.kind and kind not in words.natives
    if is_called or is_clear or words.enhanced.intersection(others):
        return plain
    has_sibling = not words.natives.issuperset(others)
    is_certain = has_sibling if name.is_hinted else kind == name.kind
    return plain if is_certain else plain._replace(kind=None)


def _is_called(folder: Path, stem: str, task: Task) -> bool:
    """Whether a folder is named after a case, with more than words that say what was scanned."""
    return folder.name.lower().endswith(stem.lower()) and not all(
        map(is_descriptive, words_of(stem, task))
    )


_ANYBODYS = word_set("image images img scan brain volume vol mri mr anat input data nifti")


def case_name(image: Path, *others: Path, task: Task = DEFAULT_TASK) -> str:
    """Name a case after its files, without the modality: ``case-t1c.nii.gz`` is of ``case``.

    Files that are named for what was scanned only (``T1post.nii.gz``) are of the case that their
    folder names.
    """
    for path in (image, *others):
        name = read_name(path.name, task)
        if name.kind is not None and name.stem:
            return name.stem
    base = base_name(image.name)
    if not is_only_descriptive(image.name, task) and base.lower() not in _ANYBODYS:
        return base or "case"
    return folder_name(image.parent) or base or "case"


def find_images(folder: Path, case_id: str, *, task: Task = DEFAULT_TASK) -> dict[str, Path]:
    """Find the modalities of one case by file name; labels do not matter.

    Returns:
        Modality to file, in the order of the task, at least one.

    Raises:
        CaseError: no image, a modality twice, or file names of different patients.
    """
    images = modalities_of(resolved_names(images_in(folder), task), case_id, task)
    if not images:
        raise CaseError("E_NO_MODALITY", no_image_message(folder, case_id, task))
    return images


def find_label(folder: Path, case_id: str, *, task: Task = DEFAULT_TASK) -> Path | None:
    """Find the label file of a case folder, None if there is none: ``CASE_seg`` if its images are
    ``CASE_...``.

    Raises:
        CaseError: E_AMBIGUOUS, there are two.
    """
    names = resolved_names(images_in(folder), task)
    stems = {name.stem for name in names.values() if name.kind in task.modality_names}
    return label_of(names, stems, case_id)


def label_of(names: Mapping[Path, ImageName], stems: set[str], case_id: str) -> Path | None:
    """Find the label file among files whose images have certain stems.

    Of any stem, if there is no image.

    Raises:
        CaseError: E_AMBIGUOUS, there are two.
    """
    labels = [
        path
        for path, name in names.items()
        if name.kind == LABEL and (name.stem in stems or not stems)
    ]
    labels = labels or [
        path for path, name in names.items() if name.kind == LABEL and not name.stem
    ]
    if len(labels) > 1:
        raise CaseError(
            "E_AMBIGUOUS",
            f"Case {case_id}: {LABEL} must be one file; got {listed(labels)} in {labels[0].parent}."
            " Choose with --pattern seg='*_seg.nii.gz', or remove one.",
        )
    return labels[0] if labels else None


def numbering_by_ending(label: Path, task: Task) -> str | None:
    """Tell the numbering from the naming that came with it, None if the name does not say.

    BraTS 2018-2021 files, for example, are called ``..._seg`` and number enhancing tumour 4; from
    2023 on they are called ``...-seg`` and number it 3.
    """
    match = re.search(r".([-_.])seg$", base_name(label.name), re.I)
    ending = match.group(1) if match else None
    fitting = (name for name, one in task.numberings.items() if ending and one.ending == ending)
    return next(fitting, None)


def find_beside(file: Path, case_id: str, task: Task) -> dict[str, Path]:
    """Find the modalities of a case by one of its files, in a folder that may hold other cases too.

    Args:
        file: named as BraTS names it; ``case-t1c.nii.gz`` stands for all ``case-....nii.gz`` beside
            it.
        case_id: for messages.
        task: whose modalities are looked for.

    Returns:
        Modality to file, in the order of the task.

    Raises:
        CaseError: the name does not say which modality the file holds, or a modality is there
            twice.
    """
    names = resolved_names({*images_in(file.parent), file}, task)
    if names[file].kind in (None, LABEL):
        example, known = task.example.name, task.modality_names
        raise CaseError(
            "E_FILE_NAME",
            f"Case {case_id}: the name of an image must say its modality; got"
            f" {printable(file.name)}. Name it like CASE-{example}.nii.gz ({', '.join(known)}), or"
            f" declare what the file holds: modalities={example}, or for a 4D file its volumes in"
            f" their order, such as modalities={','.join(known)}.",
        )
    own = {path: name for path, name in names.items() if name.stem == names[file].stem}
    return modalities_of(own, case_id, task)


def name_listed(files: Iterable[Path], case_id: str, task: Task) -> dict[str, Path]:
    """Tell by their names which modalities files hold.

    Raises:
        CaseError: a name does not say it, two files hold the same, or they are of different
            patients.
    """
    names = resolved_names(files, task)
    unclear = [path for path, name in names.items() if name.kind is None]
    if unclear or not names:
        raise CaseError(
            "E_FILE_NAME",
            f"Case {case_id}: the names of listed images must say their modalities; got"
            f" {listed(unclear) or 'none'}. Name them like CASE-{task.example.name}.nii.gz, or give"
            " a mapping from modality to file.",
        )
    return modalities_of(names, case_id, task)


def modalities_of(names: Mapping[Path, ImageName], case_id: str, task: Task) -> dict[str, Path]:
    """Pick the one file of each modality among files of one case.

    Raises:
        CaseError: E_AMBIGUOUS, two files for a modality; E_MIXED, names of several patients.
    """
    found: dict[str, list[Path]] = {modality: [] for modality in task.modality_names}
    for path, name in names.items():
        if name.kind in found:
            found[name.kind].append(path)
    stems = sorted({names[path].stem for paths in found.values() for path in paths})
    example = task.example
    if len(stems) > 1:
        first = next(path for paths in found.values() for path in paths)
        raise CaseError(
            "E_MIXED",
            f"Case {case_id}: the images of a case must share one name; got"
            f" {', '.join(map(_quoted, stems[:N_NAMED]))} in {first.parent}"
            f" ({listed(path for paths in found.values() for path in paths)}). Keep one case per"
            " folder, or choose the files of one with --pattern, such as --pattern"
            f" {example.name}='*_{example.example_file}.nii.gz', or by name (--image"
            f" {example.name}=FILE).",
        )
    for modality, paths in found.items():
        if len(paths) > 1:
            raise CaseError(
                "E_AMBIGUOUS",
                f"Case {case_id}: {modality} must be one file; got {listed(paths)} in"
                f" {paths[0].parent}. Choose with --pattern for every modality"
                f"{pattern_hint(found, names)}, name the files (--image {modality}=FILE), or remove"
                " one.",
            )
    return {modality: paths[0] for modality, paths in found.items() if paths}


def _quoted(text: str) -> str:
    return f"'{printable(text)}'"
