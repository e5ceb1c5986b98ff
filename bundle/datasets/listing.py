"""Lists the cases of a data set, whatever its layout, and names the files of a listed case."""

import logging
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from bundle.datasets.datalists import read_datalist
from bundle.datasets.decathlon import DESCRIPTION, Channel, is_msd, list_msd_cases
from bundle.datasets.folder_cases import list_folder
from bundle.datasets.layouts import Layout
from bundle.datasets.nnunet import is_nnunet, list_nnunet_cases
from bundle.errors import CaseError, UsageError
from bundle.files.json_file import read_json
from bundle.files.table_file import ENDINGS
from bundle.names.case_ids import ID_RULE, checked_items, is_case_id, shown_id
from bundle.names.file_names import case_name, find_beside, find_images, find_label, name_listed
from bundle.names.image_names import LABEL, is_image
from bundle.names.patterns import image_patterns, match_label, match_patterns, parse_patterns
from bundle.plain_text import printable
from bundle.tasks.default import DEFAULT_TASK
from bundle.tasks.task import Task

LOGGER = logging.getLogger("simmlm")


def list_cases(
    source: Path | str, patterns: Mapping[str, str] | None = None, *, task: Task = DEFAULT_TASK
) -> tuple[dict[str, Any], ...]:
    """List the cases of a data set; of its images nothing is read.

    In a folder of folders, subfolders without images are listed too: they become failed cases
    instead of silent gaps. What is left out is logged as a warning, once in a run.

    Args:
        source: anything that `find_layout` knows. The names of links count, not those of what they
            lead to.
        patterns: glob per modality, relative to the case folder, instead of the BraTS names, and
            ``seg`` for the label; case folders only.
        task: whose modalities and numberings the names are read by.

    Returns:
        One dictionary per case with ``case_id`` and ``image``: the case folder (``patterns`` travel
        with it), one of its files, or a mapping from modality to file or `Channel`. Where the
        source says so also ``label`` (file), ``label_convention``, ``patient`` and ``part``;
        ``problem``, a `CaseError`, where the case cannot be used. A tuple, because MONAI's config
        parser would evaluate strings inside a list.

    Raises:
        UsageError: the source does not exist or is malformed, or a pattern finds nothing in any
            case.
    """
    root = own_path(source)
    layout = _layout_of_file(root) if _is_file(root) else _described_layout(root)
    options = [f"{name}={glob}" for name, glob in (patterns or {}).items()]
    patterns = parse_patterns(options, task=task)
    if patterns and layout is not None:
        raise UsageError(
            "E_PATTERN",
            f"--pattern must go with case folders; got {layout} in {root}. Leave it out.",
        )
    match layout:
        case Layout.table | Layout.objects:
            return read_datalist(root, task)
        case Layout.msd:
            return list_msd_cases(root if root.is_file() else root / DESCRIPTION, task)
        case Layout.nnunet:
            return checked_items(list_nnunet_cases(root.parent if root.is_file() else root, task))
        case Layout.image:
            return checked_items([{"case_id": case_name(root, task=task), "image": root}])
    listing = list_folder(root, patterns, task)
    for note in listing.notes:
        _warn_once(note)
    return listing.items


def find_layout(source: Path | str, *, task: Task = DEFAULT_TASK) -> Layout:
    """Tell how a data set is kept.

    Raises:
        UsageError: there is nothing, or a file that is no list of cases.
    """
    root = own_path(source)
    layout = _layout_of_file(root) if _is_file(root) else _described_layout(root)
    return layout or list_folder(root, {}, task).layout


def own_path(source: Path | str) -> Path:
    """Return the absolute path of a source, without following the link that it may be: its own name
    counts.
    """
    path = Path(source).expanduser().absolute()
    if ".." not in path.parts:
        return path
    last = len(path.parts) - 1 - path.parts[::-1].index("..")
    return Path(*path.parts[: last + 1]).resolve().joinpath(*path.parts[last + 1 :])


def _is_file(root: Path) -> bool:
    try:
        return root.is_file()
    except OSError as error:  # too long a name, a link to itself
        raise _no_source(root, f" ({error.strerror})") from None


def _layout_of_file(root: Path) -> Layout:
    suffix = root.suffix.lower()
    if suffix in ENDINGS:
        return Layout.table
    if suffix == ".json":
        content = read_json(root)
        if root.name == DESCRIPTION and is_nnunet(root.parent):
            return Layout.nnunet
        return Layout.msd if is_msd(content) else Layout.objects
    if is_image(root):
        return Layout.image
    raise _no_source(root)


def _described_layout(root: Path) -> Layout | None:
    """Tell the layout of a folder whose file names or description give it away, None for any other
    folder.
    """
    if not root.is_dir():
        raise _no_source(root)
    if is_nnunet(root):
        return Layout.nnunet
    description = root / DESCRIPTION
    return Layout.msd if description.is_file() and is_msd(read_json(description)) else None


def _no_source(root: Path, cause: str = "") -> UsageError:
    shown = printable(str(root))
    shown = shown if len(shown) <= 300 else f"{shown[:140]}...{shown[-140:]}"
    return UsageError(
        "E_FOLDER",
        f"The data must be a folder or a list of cases; got {shown}{cause}. Give a case folder, a"
        " folder of them, a Decathlon or nnU-Net folder, an image, or a .csv or .json list.",
    )


@cache
def _warn_once(note: str) -> None:
    LOGGER.warning("%s", note)


def check_case_id(case_id: str) -> str:
    """Return a name that can be a folder of its own inside the output folder.

    Raises:
        UsageError: it cannot, for example ``..`` or a path.
    """
    if not is_case_id(case_id):
        raise UsageError(
            "E_CASE_ID", f"A case name must be {ID_RULE}; got '{shown_id(case_id)}'. Set --case-id."
        )
    return case_id


def case_files(item: Mapping[Any, Any], *, task: Task = DEFAULT_TASK) -> dict[str, Any]:
    """Name the files of a listed case, however it is given.

    Args:
        item: ``image`` is a mapping from modality to file, a case folder, a list of files named as
            in BraTS, or one file: one of those with the others of its case beside it, or one whose
            volumes ``modalities`` names in their order (``t1n,t1c,t2w,t2f``). Where its listing
            already found why the case cannot be used, ``problem`` holds that `CaseError`.
        task: whose modalities they are.

    Returns:
        Modality to file (or `Channel`, or array), in the order of the task, at least one.

    Raises:
        CaseError: the listing found a problem, or there is no folder, no image, or no single file
            for a modality.
    """
    if item.get("problem") is not None:
        raise item["problem"]
    files = _files_of(item, task)
    for path in files.values():
        _check_text(path, str(item["case_id"]))
    return files


def _files_of(item: Mapping[Any, Any], task: Task) -> dict[str, Any]:
    source, case_id = item["image"], str(item["case_id"])
    declared, patterns = item.get("modalities"), item.get("patterns")
    path = Path(source) if isinstance(source, str | Path) else None
    if declared and (path is None or not path.is_file()):
        what = f"a {type(source).__name__}" if path is None else path
        raise CaseError(
            "E_MODALITIES",
            f"Case {case_id}: modalities must go with one file; got {declared!r} with {what}. Leave"
            " it empty.",
        )
    if isinstance(source, Mapping):
        return _given_files(source, case_id, task)
    if path is None:
        return dict(name_listed(map(Path, source), case_id, task))
    if path.is_file() and declared:
        return _declared_volumes(path, declared, case_id, task)
    if path.is_file():
        return dict(find_beside(path, case_id, task))
    if not path.is_dir():
        raise CaseError(
            "E_MISSING", f"Case {case_id}: the case folder must exist; got {path}. Check the path."
        )
    return _in_folder(path, case_id, image_patterns(patterns), task)


def _in_folder(
    folder: Path, case_id: str, patterns: Mapping[str, str], task: Task
) -> dict[str, Any]:
    try:
        if patterns:
            return dict(match_patterns(folder, case_id, patterns, task))
        return dict(find_images(folder, case_id, task=task))
    except OSError as error:
        raise CaseError(
            "E_UNREADABLE",
            f"Case {case_id}: its folder must be readable; got: {error.strerror}, {folder}. Check"
            " its permissions.",
        ) from None


def _check_text(file: Any, case_id: str) -> None:
    """Refuse a file whose path is no text: results name their inputs, and no table or JSON could
    hold that name.
    """
    path = file.file if isinstance(file, Channel) else file
    try:
        if isinstance(path, str | Path):
            str(path).encode("utf-8")
    except UnicodeEncodeError:
        raise CaseError(
            "E_FILE_NAME",
            f"Case {case_id}: the path of a file must be UTF-8 text; got {printable(str(path))}."
            " Rename it.",
        ) from None


def case_label(item: Mapping[Any, Any], *, task: Task = DEFAULT_TASK) -> Path | None:
    """Name the label file of a listed case, None if it has none.

    Raises:
        CaseError: the listing found a problem, or more than one file may be the label.
    """
    if item.get("problem") is not None:
        raise item["problem"]
    if item.get("label") is not None:
        return Path(item["label"])
    folder, case_id, patterns = case_folder(item), str(item["case_id"]), item.get("patterns") or {}
    if folder is None:
        return None
    if LABEL in patterns:
        return match_label(folder, case_id, patterns)
    return find_label(folder, case_id, task=task)


def case_folder(item: Mapping[Any, Any]) -> Path | None:
    """Return the case folder of a listed case, None if it is not kept so."""
    source = item["image"]
    folder = Path(source) if isinstance(source, str | Path) else None
    return folder if folder is not None and folder.is_dir() else None


def _declared_volumes(file: Path, modalities: str, case_id: str, task: Task) -> dict[str, Any]:
    """Name the volumes of one file by what somebody declares.

    Args:
        file: 4D, or 3D if one modality is declared.
        modalities: their names in the order of the volumes, separated by commas.
        case_id: for messages.
        task: whose modalities they are.

    Returns:
        Modality to `Channel`, or to the file itself if it holds one.

    Raises:
        CaseError: a name is unknown or comes twice.
    """
    try:
        names = [task.canonical_modality(name) for name in modalities.split(",")]
    except ValueError as error:
        raise CaseError(
            "E_MODALITIES", f"Case {case_id}: modalities={modalities!r} cannot be read: {error}"
        ) from None
    if len(set(names)) < len(names):
        raise CaseError(
            "E_AMBIGUOUS", f"Case {case_id}: every modality must be given once; got {modalities!r}."
        )
    if len(names) == 1:
        return {names[0]: file}
    return {name: Channel(file, names.index(name), len(names)) for name in task.in_order(names)}


def _given_files(source: Mapping[str, Any], case_id: str, task: Task) -> dict[str, Any]:
    given = {name: value for name, value in source.items() if value is not None}
    named = {task.canonical_modality(str(name)): value for name, value in given.items()}
    if len(named) < len(given):
        raise CaseError(
            "E_AMBIGUOUS", f"Case {case_id}: every modality must be given once; got {list(source)}."
        )
    if not named:
        raise CaseError(
            "E_NO_MODALITY", f"Case {case_id}: at least one modality must be given; got none."
        )
    return {modality: named[modality] for modality in task.in_order(named)}
