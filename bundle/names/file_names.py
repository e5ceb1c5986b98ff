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
from bundle.names.name_words import is_descriptive, words_of
from bundle.names.other_files import N_NAMED, listed, no_image_message
from bundle.names.vocabulary import word_set
from bundle.plain_text import printable
from bundle.tasks.modalities import MODALITIES

_HOW_TO_CHOOSE = (
    "Choose with --pattern, such as --pattern t1c='*run-2_T1w.nii.gz', name the files (--t1c FILE),"
    " or remove one"
)


def images_in(folder: Path) -> list[Path]:
    """List the images that lie in a folder itself, by name."""
    return sorted(path for path in folder.iterdir() if is_image(path))


def resolved_names(files: Iterable[Path]) -> dict[Path, ImageName]:
    """Read the names of files that lie together, each in the light of the others and of its folder.

    A word for contrast agent before the modality may be part of a case's name: in ``KM_t1`` beside
    ``KM_t2`` it may be the patient's initials. It is, if the folder is called so or there is a
    ``KM_t1ce`` too; a T1 that leaves the question open gets no kind, because a native T1 and one
    with contrast agent must never be mistaken.
    """
    names = {path: read_name(path.name) for path in files}
    together: defaultdict[str, list[tuple[Path, str | None]]] = defaultdict(list)
    for path, name in names.items():
        together[name.stem].append((path, name.kind))
        if name.plain_stem:
            together[name.plain_stem].append((path, name.plain_kind))
    return {path: _resolved(path, name, together) for path, name in names.items()}


def _resolved(
    path: Path, name: ImageName, together: Mapping[str, list[tuple[Path, str | None]]]
) -> ImageName:
    if not (name.plain_stem or name.is_hinted):
        return name
    stem = name.plain_stem or name.stem
    if name.kind is None:
        return (
            ImageName(name.plain_kind, stem) if path.parent.name.lower() == stem.lower() else name
        )
    others = [kind for other, kind in together[stem] if other != path and kind is not None]
    if not others and name.plain_stem and not _is_called(path.parent, stem):
        return name
    kind = name.plain_kind if name.plain_stem else name.kind
    plain = ImageName(kind, stem)
    if _is_called(path.parent, stem) or kind == name.kind != "t1n" or "t1c" in others:
        return plain
    has_sibling = any(other != "t1n" for other in others)
    is_certain = has_sibling if name.is_hinted else kind == name.kind
    return plain if is_certain else plain._replace(kind=None)


def _is_called(folder: Path, stem: str) -> bool:
    """Whether a folder is named after a case, with more than words that say what was scanned."""
    return folder.name.lower().endswith(stem.lower()) and not all(
        map(is_descriptive, words_of(stem))
    )


_ANYBODYS = word_set("image images img scan brain volume vol mri mr anat input data nifti")


def case_name(image: Path, *others: Path) -> str:
    """Name a case after its files, without the modality: ``case-t1c.nii.gz`` is of ``case``.

    Files that are named for what was scanned only (``T1post.nii.gz``) are of the case that their
    folder names.
    """
    for path in (image, *others):
        name = read_name(path.name)
        if name.kind is not None and name.stem:
            return name.stem
    base = base_name(image.name)
    if not is_only_descriptive(image.name) and base.lower() not in _ANYBODYS:
        return base or "case"
    return folder_name(image.parent) or base or "case"


def find_images(folder: Path, case_id: str) -> dict[str, Path]:
    """Find the modalities of one case by file name; labels do not matter.

    Returns:
        Modality to file, in ``MODALITIES`` order, at least one.

    Raises:
        CaseError: no image, a modality twice, or file names of different patients.
    """
    images = modalities_of(resolved_names(images_in(folder)), case_id)
    if not images:
        raise CaseError("E_NO_MODALITY", no_image_message(folder, case_id))
    return images


def find_label(folder: Path, case_id: str) -> Path | None:
    """Find the label file of a case folder, None if there is none: ``CASE_seg`` if its images are
    ``CASE_...``.

    Raises:
        CaseError: E_AMBIGUOUS, there are two.
    """
    names = resolved_names(images_in(folder))
    stems = {name.stem for name in names.values() if name.kind in MODALITIES}
    return label_of(names, stems, case_id)


def label_of(names: Mapping[Path, ImageName], stems: set[str], case_id: str) -> Path | None:
    """Find the label file among files whose images have certain stems; of any stem, if there is no
    image.

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


def label_convention(label: Path) -> str | None:
    """Tell the label convention from the naming that came with it, None if the name does not say.

    BraTS 2018-2021 files are called ``..._seg`` and number enhancing tumour 4; from 2023 on they
    are called ``...-seg`` and number it 3.
    """
    match = re.search(r".([-_.])seg$", base_name(label.name), re.I)
    return {"_": "brats2021", "-": "brats2023"}.get(match.group(1) if match else "")


def find_beside(file: Path, case_id: str) -> dict[str, Path]:
    """Find the modalities of a case by one of its files, in a folder that may hold other cases too.

    Args:
        file: named as BraTS names it; ``case-t1c.nii.gz`` stands for all ``case-....nii.gz`` beside
            it.
        case_id: for messages.

    Returns:
        Modality to file, in ``MODALITIES`` order.

    Raises:
        CaseError: the name does not say which modality the file holds, or a modality is there
            twice.
    """
    names = resolved_names({*images_in(file.parent), file})
    if names[file].kind in (None, LABEL):
        raise CaseError(
            "E_FILE_NAME",
            f"Case {case_id}: the name of an image must say its modality; got"
            f" {printable(file.name)}. Name it like CASE-t1c.nii.gz ({', '.join(MODALITIES)}), or"
            " declare what the file holds: modalities=t1c, or for a 4D file its volumes in their"
            f" order, such as modalities={','.join(MODALITIES)}.",
        )
    return modalities_of(
        {path: name for path, name in names.items() if name.stem == names[file].stem}, case_id
    )


def name_listed(files: Iterable[Path], case_id: str) -> dict[str, Path]:
    """Tell by their names which modalities files hold.

    Raises:
        CaseError: a name does not say it, two files hold the same, or they are of different
            patients.
    """
    names = resolved_names(files)
    unclear = [path for path, name in names.items() if name.kind is None]
    if unclear or not names:
        raise CaseError(
            "E_FILE_NAME",
            f"Case {case_id}: the names of listed images must say their modalities; got"
            f" {listed(unclear) or 'none'}. Name them like CASE-t1c.nii.gz, or give a mapping from"
            " modality to file.",
        )
    return modalities_of(names, case_id)


def modalities_of(names: Mapping[Path, ImageName], case_id: str) -> dict[str, Path]:
    """Pick the one file of each modality among files of one case.

    Raises:
        CaseError: E_AMBIGUOUS, two files for a modality; E_MIXED, names of several patients.
    """
    found: dict[str, list[Path]] = {modality: [] for modality in MODALITIES}
    for path, name in names.items():
        if name.kind in found:
            found[name.kind].append(path)
    stems = sorted({names[path].stem for paths in found.values() for path in paths})
    if len(stems) > 1:
        first = next(path for paths in found.values() for path in paths)
        raise CaseError(
            "E_MIXED",
            f"Case {case_id}: the images of a case must share one name; got"
            f" {', '.join(map(_quoted, stems[:N_NAMED]))} in {first.parent}"
            f" ({listed(path for paths in found.values() for path in paths)}). Keep one case per"
            " folder, or choose the files of one with --pattern, such as --pattern"
            " t1c='*_T1_post.nii.gz', or by name (--t1c FILE).",
        )
    for modality, paths in found.items():
        if len(paths) > 1:
            raise CaseError(
                "E_AMBIGUOUS",
                f"Case {case_id}: {modality} must be one file; got {listed(paths)} in"
                f" {paths[0].parent}. {_HOW_TO_CHOOSE}.",
            )
    return {modality: paths[0] for modality, paths in found.items() if paths}


def _quoted(text: str) -> str:
    return f"'{printable(text)}'"
