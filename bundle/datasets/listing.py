"""Lists the cases of a data set, whatever its layout."""

import logging
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from bundle.datasets.datalists import read_datalist
from bundle.datasets.decathlon import DESCRIPTION, is_msd, list_msd_cases
from bundle.datasets.folder_cases import list_folder
from bundle.datasets.layouts import Layout
from bundle.datasets.nnunet import is_nnunet, list_nnunet_cases
from bundle.errors import UsageError
from bundle.files.json_file import read_json
from bundle.files.table_file import ENDINGS
from bundle.names.case_ids import ID_RULE, checked_items, is_case_id, shown_id
from bundle.names.file_names import case_name
from bundle.names.image_names import is_image
from bundle.names.patterns import parse_patterns
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
