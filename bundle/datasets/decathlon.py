"""Lists the cases of a Medical Segmentation Decathlon data set: 4D images whose channels
``dataset.json`` names.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from bundle.errors import UsageError
from bundle.files.json_file import read_json
from bundle.names.case_ids import check_distinct_ids, checked_items
from bundle.names.image_names import base_name
from bundle.tasks.task import Task

DESCRIPTION = "dataset.json"


class Channel(NamedTuple):
    """One volume of a 4D file.

    Attributes:
        file: the 4D image.
        position: the volume's place in it, from 0.
        n_volumes: what the file must hold.
    """

    file: Path
    position: int
    n_volumes: int


def is_msd(content: Any) -> bool:
    """Whether a JSON content describes a data set whose channels have names."""
    return (
        isinstance(content, dict)
        and isinstance(content.get("modality"), dict)
        and "training" in content
    )


def list_msd_cases(description: Path, task: Task) -> tuple[dict[str, Any], ...]:
    """List training and test cases; the images are not opened.

    Args:
        description: the ``dataset.json``.
        task: whose modalities and numberings it names.

    Returns:
        One dictionary per case: ``image`` maps modality to `Channel`; ``label`` and
        ``label_convention`` where known.

    Raises:
        UsageError: the description does not say which channel is which modality, or an entry has no
            image.
    """
    content = read_json(description)
    if not is_msd(content):
        raise _error(
            description,
            "must hold 'modality', channel number to name, and 'training'",
            sorted(content),
        )
    order = _channel_order(description, content["modality"], task)
    numbering = _numbering(content.get("labels"), task)
    declared = {"label_convention": numbering} if numbering else {}
    items = []
    for section in ("training", "test"):
        entries = content.get(section, [])
        if not isinstance(entries, list):
            raise _error(description, f"{section!r} must be a list", entries)
        items += [
            _item(description, f"{section}[{n}]", entry, order, declared, task)
            for n, entry in enumerate(entries)
        ]
    if not items:
        raise _error(description, "must list at least one case", "none")
    check_distinct_ids(item["case_id"] for item in items)
    return checked_items(items)


def _channel_order(description: Path, names: Mapping[str, Any], task: Task) -> list[str]:
    expected = [str(index) for index in range(len(names))]
    if not names or sorted(names, key=str) != sorted(expected):
        raise _error(
            description, "'modality' must number its channels 0, 1, 2 and so on", sorted(names)
        )
    try:
        order = [task.canonical_modality(str(names[index])) for index in expected]
    except ValueError as error:
        raise _error(
            description, "'modality' must name MRI modalities", f"{names}: {error}"
        ) from error
    if len(set(order)) < len(order):
        raise _error(description, "'modality' must name every modality once", names)
    return order


def _numbering(labels: Any, task: Task) -> str | None:
    """Tell the numbering by the names of the labels, None if they are others.

    A data set that says nothing about its labels is taken for the Decathlon's own.
    """
    known = {name: one.decathlon for name, one in task.numberings.items() if one.decathlon}
    if labels is None:
        return next(iter(known), None)
    if not isinstance(labels, dict):
        return None
    texts = {value: str(text).lower() for value, text in labels.items()}
    for name, patterns in known.items():
        if all(re.match(word, texts.get(str(value), "")) for value, word in patterns.items()):
            return name
    return None


def _item(
    description: Path,
    place: str,
    entry: Any,
    order: list[str],
    declared: Mapping[str, str],
    task: Task,
) -> dict[str, Any]:
    files = {"image": entry} if isinstance(entry, str) else entry
    if not isinstance(files, dict) or not isinstance(files.get("image"), str):
        raise _error(description, f"{place} must name an image file", entry)
    image = description.parent / files["image"]
    case_id = base_name(image.name)
    if not case_id:
        raise _error(description, f"{place} must name an image file", files["image"])
    channels = {m: Channel(image, order.index(m), len(order)) for m in task.in_order(order)}
    item: dict[str, Any] = {"case_id": case_id, "image": channels}
    if isinstance(files.get("label"), str):
        item |= {"label": description.parent / files["label"], **declared}
    return item


def _error(description: Path, rule: str, got: Any) -> UsageError:
    return UsageError(
        "E_DATALIST",
        f"{description}: {rule}; got {got!r}. Correct the description of the data set.",
    )
