"""Finds the files of cases in folders, by the names that the BraTS data sets use or by explicit patterns."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from bundle.errors import CaseError, UsageError
from bundle.modalities import MODALITIES, canonical_modality, modality_names

_ENDINGS = (".nii", ".nii.gz")
_NAMES = sorted(
    {"t2[-_]?flair", "seg", *(name for m in MODALITIES for name in modality_names(m))}, key=len, reverse=True
)
_FILE_NAME = re.compile(rf"^(?:(?P<stem>.+?)(?P<separator>[-_.]))?(?P<name>{'|'.join(_NAMES)})\.nii(?:\.gz)?$", re.I)

LABEL = "seg"
"""What the label file of a case is called where a modality's name would stand."""


def list_cases(folder: Path | str, patterns: Mapping[str, str] | None = None) -> tuple[dict[str, Any], ...]:
    """List the cases of a folder: the folder itself if it holds images, else one per subfolder.

    Subfolders without images are listed too: they become failed cases instead of silent gaps.

    Args:
        folder: a case folder or a folder of case folders.
        patterns: glob per modality, relative to the case folder, instead of the BraTS names.

    Returns:
        One dictionary per case with ``case_id`` and ``image`` (the case folder, or files if ``patterns``).
        A tuple, because MONAI's config parser would evaluate strings inside a list.

    Raises:
        UsageError: the folder does not exist, or two case names differ only in case.
    """
    root = Path(folder).expanduser().resolve()
    if not root.is_dir():
        raise UsageError("E_FOLDER", f"The data folder must exist; got {root}. Give a case folder or a folder of them.")
    folders = sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
    if not folders or any(_is_image(path) for path in root.iterdir()):
        folders = [root]
    _check_names(path.name for path in folders)
    return tuple(_item(path, patterns) for path in folders)


def check_case_id(case_id: str) -> str:
    """Give back a name that can be a folder of its own inside the output folder.

    Raises:
        UsageError: it cannot, for example ``..`` or a path.
    """
    if not case_id or case_id in (".", "..") or case_id != Path(case_id).name or case_id.startswith("."):
        raise UsageError("E_CASE_ID", f"A case name must be a plain file name; got {case_id!r}. Set --case-id.")
    return case_id


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
    named = _named_files(folder, case_id)
    images = {modality: named[modality] for modality in MODALITIES if modality in named}
    if not images:
        raise CaseError("E_NO_MODALITY", _no_image_message(folder, case_id))
    return images


def find_label(folder: Path, case_id: str) -> Path | None:
    """Find the label file of a case, None if there is none."""
    return _named_files(folder, case_id).get(LABEL)


def label_convention(label: Path) -> str | None:
    """Tell the label convention from the naming that came with it, None if the name does not say.

    BraTS 2018-2021 files are called ``..._seg`` and number enhancing tumour 4; from 2023 on they are
    called ``...-seg`` and number it 3.
    """
    match = _FILE_NAME.match(label.name)
    separator = match.group("separator") if match else None
    return {"_": "brats2021", "-": "brats2023"}.get(separator or "")


def match_patterns(folder: Path, case_id: str, patterns: Mapping[str, str]) -> dict[str, Path]:
    """Find the modalities of one case by explicit globs; a pattern without a match is an absent modality.

    Raises:
        CaseError: a pattern matches several files, or none of them matches anything.
    """
    images: dict[str, Path] = {}
    for modality in MODALITIES:
        found = sorted(folder.glob(patterns[modality])) if modality in patterns else []
        if len(found) > 1:
            names = ", ".join(path.name for path in found)
            raise CaseError(
                "E_AMBIGUOUS",
                f"Case {case_id}: the pattern {patterns[modality]!r} of {modality} must match one file; "
                f"got {names} in {folder}. Make the pattern narrower.",
            )
        if found:
            images[modality] = found[0]
    if not images:
        raise CaseError("E_NO_MODALITY", f"Case {case_id}: no file in {folder} matches a pattern. Check the patterns.")
    return images


def parse_patterns(options: Iterable[str]) -> dict[str, str]:
    """Read ``MODALITY=GLOB`` options.

    Raises:
        UsageError: an option has another form or names an unknown or repeated modality.
    """
    patterns: dict[str, str] = {}
    for option in options:
        name, _, glob = option.partition("=")
        try:
            modality = canonical_modality(name)
        except ValueError as error:
            raise UsageError("E_PATTERN", f"--pattern must be MODALITY=GLOB; got {option!r}. {error}") from error
        if not glob or modality in patterns or Path(glob).is_absolute():
            raise UsageError(
                "E_PATTERN", f"--pattern must give one glob, relative to the case folder, per modality; got {option!r}."
            )
        patterns[modality] = glob
    return patterns


def _item(folder: Path, patterns: Mapping[str, str] | None) -> dict[str, Any]:
    return {"case_id": folder.name, "image": folder, **({"patterns": dict(patterns)} if patterns else {})}


def _named_files(folder: Path, case_id: str) -> dict[str, Path]:
    images = sorted(path for path in folder.iterdir() if _is_image(path))
    matches = [(match, path) for path in images if (match := _FILE_NAME.match(path.name))]
    stems = sorted({(match.group("stem") or "") for match, _ in matches})
    if len(stems) > 1:
        raise CaseError(
            "E_MIXED",
            f"Case {case_id}: the files of a case must share one name; got {', '.join(map(repr, stems))} in {folder}. "
            "Keep one case per folder, or name the files explicitly.",
        )
    named: dict[str, Path] = {}
    for match, path in matches:
        name = match.group("name").lower()
        key = LABEL if name == LABEL else canonical_modality(name)
        if key in named:
            both = f"{named[key].name} and {path.name}"
            raise CaseError(
                "E_AMBIGUOUS", f"Case {case_id}: {key} must be one file; got {both} in {folder}. Remove one."
            )
        named[key] = path
    return named


def _no_image_message(folder: Path, case_id: str) -> str:
    others = sorted(path.name for path in folder.iterdir() if _is_image(path))
    found = f"images with other names ({', '.join(others[:4])})" if others else "no NIfTI image"
    return (
        f"Case {case_id}: at least one modality must be found; got {found} in {folder}. Name the files like "
        "CASE-t1c.nii.gz (t1n, t1c, t2w, t2f), or say what they are called with --pattern t1c='*_T1_post.nii.gz'."
    )


def _is_image(path: Path) -> bool:
    # Hidden ones are no images: macOS leaves a "._CASE-t1c.nii.gz" beside each file that it copies.
    return path.name.lower().endswith(_ENDINGS) and not path.name.startswith(".")


def _check_names(names: Iterable[str]) -> None:
    seen: dict[str, str] = {}
    for name in names:
        if name.lower() in seen:
            raise UsageError(
                "E_CASE_ID",
                f"Case names must differ in more than case; got {seen[name.lower()]} and {name}. Rename one.",
            )
        seen[name.lower()] = name
