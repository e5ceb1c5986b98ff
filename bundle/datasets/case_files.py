"""Names the files of a listed case, however it is given."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bundle.datasets.decathlon import Channel
from bundle.errors import CaseError
from bundle.names.file_names import find_beside, find_images, find_label, name_listed
from bundle.names.image_names import LABEL
from bundle.names.patterns import image_patterns, match_label, match_patterns
from bundle.plain_text import printable
from bundle.tasks.default import DEFAULT_TASK
from bundle.tasks.task import Task


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
