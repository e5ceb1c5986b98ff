"""Lists the cases of a data set, whatever its layout, and finds the files of a case by the names that BraTS uses."""

import re
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any

from bundle.data.case_ids import check_distinct_ids, is_case_id
from bundle.data.datalists import read_datalist
from bundle.data.json_reading import read_json
from bundle.data.msd import DESCRIPTION, is_msd, list_msd_cases
from bundle.data.patterns import match_patterns
from bundle.errors import CaseError, UsageError
from bundle.modalities import MODALITIES, canonical_modality, modality_names

_ENDINGS = (".nii", ".nii.gz")
_NAMES = sorted(
    {"t2[-_]?flair", "seg", *(name for m in MODALITIES for name in modality_names(m))}, key=len, reverse=True
)
_FILE_NAME = re.compile(rf"^(?:(?P<stem>.+?)(?P<separator>[-_.]))?(?P<name>{'|'.join(_NAMES)})\.nii(?:\.gz)?$", re.I)

LABEL = "seg"
"""What the label file of a case is called where a modality's name would stand."""


class Layout(StrEnum):
    """Ways in which people keep cases."""

    case = "a case folder"
    folders = "a folder of case folders"
    msd = "a Medical Segmentation Decathlon folder (dataset.json, 4D images)"
    table = "a CSV list"
    objects = "a JSON list"


def list_cases(source: Path | str, patterns: Mapping[str, str] | None = None) -> tuple[dict[str, Any], ...]:
    """List the cases of a data set; of its images nothing is read.

    In a folder of folders, subfolders without images are listed too: they become failed cases instead of silent gaps.

    Args:
        source: anything that `find_layout` knows.
        patterns: glob per modality, relative to the case folder, instead of the BraTS names; folders only.

    Returns:
        One dictionary per case with ``case_id`` and ``image``: the case folder (``patterns`` travel with it), or a
        mapping from modality to file or `Channel`. Where the source says so also ``label`` (file),
        ``label_convention``, ``patient`` and ``part``. A tuple, because MONAI's config parser would evaluate
        strings inside a list.

    Raises:
        UsageError: the source does not exist or is malformed, or two case names differ only in case.
    """
    root = Path(source).expanduser().resolve()
    layout = find_layout(root)
    if patterns and layout not in (Layout.case, Layout.folders):
        raise UsageError("E_PATTERN", f"--pattern must go with case folders; got {layout} in {root}. Leave it out.")
    match layout:
        case Layout.table | Layout.objects:
            return read_datalist(root)
        case Layout.msd:
            return list_msd_cases(root if root.is_file() else root / DESCRIPTION)
    folders = [root] if layout == Layout.case else _subfolders(root)
    check_distinct_ids(path.name for path in folders)
    return tuple(_item(path, patterns) for path in folders)


def find_layout(source: Path | str) -> Layout:
    """Tell how a data set is kept.

    Raises:
        UsageError: there is nothing, or a file that is no list of cases.
    """
    root = Path(source).expanduser().resolve()
    suffix = root.suffix.lower()
    if root.is_file() and suffix == ".csv":
        return Layout.table
    if root.is_file() and suffix == ".json":
        return Layout.msd if is_msd(read_json(root)) else Layout.objects
    if not root.is_dir():
        raise UsageError(
            "E_FOLDER",
            f"The data must be a folder or a list of cases; got {root}. Give a case folder, a folder of them, a "
            "Decathlon folder, or a .csv or .json list.",
        )
    if (root / DESCRIPTION).is_file() and is_msd(read_json(root / DESCRIPTION)):
        return Layout.msd
    return Layout.case if not _subfolders(root) or any(map(_is_image, root.iterdir())) else Layout.folders


def check_case_id(case_id: str) -> str:
    """Give back a name that can be a folder of its own inside the output folder.

    Raises:
        UsageError: it cannot, for example ``..`` or a path.
    """
    if not is_case_id(case_id):
        raise UsageError("E_CASE_ID", f"A case name must be a plain file name; got {case_id!r}. Set --case-id.")
    return case_id


def case_files(item: Mapping[Any, Any]) -> dict[str, Any]:
    """Name the files of a listed case, also if it is given as a folder.

    Returns:
        Modality to file (or `Channel`, or array), in ``MODALITIES`` order, at least one.

    Raises:
        CaseError: there is no folder, no image, or no single file for a modality.
    """
    source, case_id = item["image"], str(item["case_id"])
    if isinstance(source, Mapping):
        return _given_files(source, case_id)
    folder = Path(source)
    if not folder.is_dir():
        raise CaseError("E_MISSING", f"Case {case_id}: the case folder must exist; got {folder}. Check the path.")
    patterns = item.get("patterns")
    return match_patterns(folder, case_id, patterns) if patterns else find_images(folder, case_id)


def case_label(item: Mapping[Any, Any]) -> Path | None:
    """Name the label file of a listed case, None if it has none."""
    if item.get("label") is not None:
        return Path(item["label"])
    return None if isinstance(item["image"], Mapping) else find_label(Path(item["image"]), str(item["case_id"]))


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


def _given_files(source: Mapping[str, Any], case_id: str) -> dict[str, Any]:
    given = {name: value for name, value in source.items() if value is not None}
    named = {canonical_modality(str(name)): value for name, value in given.items()}
    if len(named) < len(given):
        raise CaseError("E_AMBIGUOUS", f"Case {case_id}: every modality must be given once; got {list(source)}.")
    if not named:
        raise CaseError("E_NO_MODALITY", f"Case {case_id}: at least one modality must be given; got none.")
    return {modality: named[modality] for modality in MODALITIES if modality in named}


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


def _subfolders(root: Path) -> list[Path]:
    return sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
