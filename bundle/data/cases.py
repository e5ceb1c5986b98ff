"""Lists the cases of a data set, whatever its layout, and names the files of a listed case."""

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any

from bundle.data.case_ids import check_distinct_ids, is_case_id
from bundle.data.datalists import read_datalist
from bundle.data.file_names import case_name, find_beside, find_images, find_label, is_image, name_listed
from bundle.data.json_reading import read_json
from bundle.data.msd import DESCRIPTION, Channel, is_msd, list_msd_cases
from bundle.data.patterns import match_patterns
from bundle.data.table_reading import ENDINGS
from bundle.errors import CaseError, UsageError
from bundle.modalities import MODALITIES, canonical_modality


class Layout(StrEnum):
    """Ways in which people keep cases."""

    case = "a case folder"
    folders = "a folder of case folders"
    msd = "a Medical Segmentation Decathlon folder (dataset.json, 4D images)"
    table = "a CSV list"
    objects = "a JSON list"
    image = "an image"


def list_cases(source: Path | str, patterns: Mapping[str, str] | None = None) -> tuple[dict[str, Any], ...]:
    """List the cases of a data set; of its images nothing is read.

    In a folder of folders, subfolders without images are listed too: they become failed cases instead of silent gaps.

    Args:
        source: anything that `find_layout` knows.
        patterns: glob per modality, relative to the case folder, instead of the BraTS names; folders only.

    Returns:
        One dictionary per case with ``case_id`` and ``image``: the case folder (``patterns`` travel with it), one of
        its files, or a mapping from modality to file or `Channel`. Where the source says so also ``label`` (file),
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
        case Layout.image:
            return ({"case_id": case_name(root), "image": root},)
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
    if root.is_file() and suffix in ENDINGS:
        return Layout.table
    if root.is_file() and suffix == ".json":
        return Layout.msd if is_msd(read_json(root)) else Layout.objects
    if root.is_file() and is_image(root):
        return Layout.image
    if not root.is_dir():
        raise UsageError(
            "E_FOLDER",
            f"The data must be a folder or a list of cases; got {root}. Give a case folder, a folder of them, a "
            "Decathlon folder, or a .csv or .json list.",
        )
    if (root / DESCRIPTION).is_file() and is_msd(read_json(root / DESCRIPTION)):
        return Layout.msd
    return Layout.case if not _subfolders(root) or any(map(is_image, root.iterdir())) else Layout.folders


def check_case_id(case_id: str) -> str:
    """Give back a name that can be a folder of its own inside the output folder.

    Raises:
        UsageError: it cannot, for example ``..`` or a path.
    """
    if not is_case_id(case_id):
        raise UsageError("E_CASE_ID", f"A case name must be a plain file name; got {case_id!r}. Set --case-id.")
    return case_id


def case_files(item: Mapping[Any, Any]) -> dict[str, Any]:
    """Name the files of a listed case, however it is given.

    Args:
        item: ``image`` is a mapping from modality to file, a case folder, a list of files named as in BraTS, or one
            file: one of those with the others of its case beside it, or one whose volumes ``modalities`` names in
            their order (``t1n,t1c,t2w,t2f``). Where its listing already found why the case cannot be used, ``problem``
            holds that `CaseError`.

    Returns:
        Modality to file (or `Channel`, or array), in ``MODALITIES`` order, at least one.

    Raises:
        CaseError: the listing found a problem, or there is no folder, no image, or no single file for a modality.
    """
    if item.get("problem") is not None:
        raise item["problem"]
    source, case_id = item["image"], str(item["case_id"])
    declared, patterns = item.get("modalities"), item.get("patterns")
    path = Path(source) if isinstance(source, str | Path) else None
    if declared and (path is None or not path.is_file()):
        what = f"a {type(source).__name__}" if path is None else path
        raise CaseError(
            "E_MODALITIES",
            f"Case {case_id}: modalities must go with one file; got {declared!r} with {what}. Leave it empty.",
        )
    if isinstance(source, Mapping):
        return _given_files(source, case_id)
    if path is None:
        return dict(name_listed(map(Path, source), case_id))
    if path.is_file():
        return _declared_volumes(path, declared, case_id) if declared else dict(find_beside(path, case_id))
    if not path.is_dir():
        raise CaseError("E_MISSING", f"Case {case_id}: the case folder must exist; got {path}. Check the path.")
    return dict(match_patterns(path, case_id, patterns) if patterns else find_images(path, case_id))


def case_label(item: Mapping[Any, Any]) -> Path | None:
    """Name the label file of a listed case, None if it has none."""
    if item.get("label") is not None:
        return Path(item["label"])
    source = item["image"]
    folder = Path(source) if isinstance(source, str | Path) else None
    return find_label(folder, str(item["case_id"])) if folder is not None and folder.is_dir() else None


def _declared_volumes(file: Path, modalities: str, case_id: str) -> dict[str, Any]:
    """Name the volumes of one file by what somebody declares.

    Args:
        file: 4D, or 3D if one modality is declared.
        modalities: their names in the order of the volumes, separated by commas.
        case_id: for messages.

    Returns:
        Modality to `Channel`, or to the file itself if it holds one.

    Raises:
        CaseError: a name is unknown or comes twice.
    """
    try:
        names = [canonical_modality(name) for name in modalities.split(",")]
    except ValueError as error:
        raise CaseError("E_MODALITIES", f"Case {case_id}: modalities={modalities!r} cannot be read: {error}") from None
    if len(set(names)) < len(names):
        raise CaseError("E_AMBIGUOUS", f"Case {case_id}: every modality must be given once; got {modalities!r}.")
    if len(names) == 1:
        return {names[0]: file}
    return {name: Channel(file, names.index(name), len(names)) for name in MODALITIES if name in names}


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


def _subfolders(root: Path) -> list[Path]:
    return sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
