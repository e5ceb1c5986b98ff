"""Tells which modality a file holds by the names that BraTS uses, and finds the files of a case by them."""

import re
from collections.abc import Iterable
from pathlib import Path

from bundle.errors import CaseError
from bundle.modalities import MODALITIES, canonical_modality, modality_names

_ENDINGS = (".nii", ".nii.gz")
_NAMES = sorted(
    {"t2[-_]?flair", "seg", *(name for m in MODALITIES for name in modality_names(m))}, key=len, reverse=True
)
_FILE_NAME = re.compile(rf"^(?:(?P<stem>.+?)(?P<separator>[-_.]))?(?P<name>{'|'.join(_NAMES)})\.nii(?:\.gz)?$", re.I)

LABEL = "seg"
"""What the label file of a case is called where a modality's name would stand."""


def case_name(image: Path) -> str:
    """Name a case after one of its files, without the modality: ``exam-t1c.nii.gz`` is of ``exam``."""
    match = _FILE_NAME.match(image.name)
    return (match.group("stem") if match else None) or image.name.split(".")[0] or "case"


def find_images(folder: Path, case_id: str) -> dict[str, Path]:
    """Find the modalities of one case by file name.

    Returns:
        Modality to file, in ``MODALITIES`` order, at least one.

    Raises:
        CaseError: no image, a modality twice, or file names of different patients.
    """
    named = _name_files(_images_in(folder), case_id)
    images = {modality: named[modality] for modality in MODALITIES if modality in named}
    if not images:
        raise CaseError("E_NO_MODALITY", _no_image_message(folder, case_id))
    return images


def find_label(folder: Path, case_id: str) -> Path | None:
    """Find the label file of a case folder, None if there is none."""
    return _name_files(_images_in(folder), case_id).get(LABEL)


def label_convention(label: Path) -> str | None:
    """Tell the label convention from the naming that came with it, None if the name does not say.

    BraTS 2018-2021 files are called ``..._seg`` and number enhancing tumour 4; from 2023 on they are
    called ``...-seg`` and number it 3.
    """
    match = _FILE_NAME.match(label.name)
    separator = match.group("separator") if match else None
    return {"_": "brats2021", "-": "brats2023"}.get(separator or "")


def find_beside(file: Path, case_id: str) -> dict[str, Path]:
    """Find the modalities of a case by one of its files, in a folder that may hold other cases too.

    Args:
        file: named as BraTS names it; ``exam-t1c.nii.gz`` stands for all ``exam-....nii.gz`` beside it.
        case_id: for messages.

    Returns:
        Modality to file, in ``MODALITIES`` order.

    Raises:
        CaseError: the name does not say which modality the file holds, or a modality is there twice.
    """
    match = _FILE_NAME.match(file.name)
    if match is None or match.group("name").lower() == LABEL:
        raise CaseError(
            "E_FILE_NAME",
            f"Case {case_id}: the name of an image must say its modality; got {file.name}. Name it like "
            f"CASE-t1c.nii.gz ({', '.join(MODALITIES)}), or declare what the file holds: modalities=t1c, or for a 4D "
            f"file its volumes in their order, such as modalities={','.join(MODALITIES)}.",
        )
    named = _name_files([path for path in _images_in(file.parent) if _stem(path) == _stem(file)], case_id)
    return {modality: named[modality] for modality in MODALITIES if modality in named}


def name_listed(files: Iterable[Path], case_id: str) -> dict[str, Path]:
    """Tell by their names which modalities files hold.

    Raises:
        CaseError: a name does not say it, two files hold the same, or they are of different patients.
    """
    files = list(files)
    unclear = [path.name for path in files if _stem(path) is None]
    if unclear or not files:
        raise CaseError(
            "E_FILE_NAME",
            f"Case {case_id}: the names of listed images must say their modalities; got {', '.join(unclear) or 'none'}."
            " Name them like CASE-t1c.nii.gz, or give a mapping from modality to file.",
        )
    named = _name_files(files, case_id)
    return {modality: named[modality] for modality in MODALITIES if modality in named}


def _images_in(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if is_image(path))


def _stem(path: Path) -> str | None:
    """Give what stands before the modality in a file's name, None if no modality is there."""
    match = _FILE_NAME.match(path.name)
    return None if match is None else match.group("stem") or ""


def _name_files(files: Iterable[Path], case_id: str) -> dict[str, Path]:
    """Tell by name what files are, among others that are nothing."""
    matches = [(match, path) for path in files if (match := _FILE_NAME.match(path.name))]
    stems = sorted({(match.group("stem") or "") for match, _ in matches})
    if len(stems) > 1:
        raise CaseError(
            "E_MIXED",
            f"Case {case_id}: the files of a case must share one name; got {', '.join(map(repr, stems))} in "
            f"{matches[0][1].parent}. Keep one case per folder, or name the files explicitly.",
        )
    named: dict[str, Path] = {}
    for match, path in matches:
        name = match.group("name").lower()
        key = LABEL if name == LABEL else canonical_modality(name)
        if key in named:
            both = f"{named[key].name} and {path.name}"
            raise CaseError(
                "E_AMBIGUOUS", f"Case {case_id}: {key} must be one file; got {both} in {path.parent}. Remove one."
            )
        named[key] = path
    return named


def _no_image_message(folder: Path, case_id: str) -> str:
    others = [path.name for path in _images_in(folder)]
    found = f"images with other names ({', '.join(others[:4])})" if others else "no NIfTI image"
    return (
        f"Case {case_id}: at least one modality must be found; got {found} in {folder}. Name the files like "
        "CASE-t1c.nii.gz (t1n, t1c, t2w, t2f), or say what they are called with --pattern t1c='*_T1_post.nii.gz'."
    )


def is_image(path: Path) -> bool:
    """Tell whether a file is named like a NIfTI image."""
    # Hidden ones are no images: macOS leaves a "._CASE-t1c.nii.gz" beside each file that it copies.
    return path.name.lower().endswith(_ENDINGS) and not path.name.startswith(".")
