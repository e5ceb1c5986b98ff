"""Lists the cases of an nnU-Net raw data set: ``imagesTr/CASE_0000.nii.gz``, the channels named in
``dataset.json``.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from bundle.errors import CaseError, UsageError
from bundle.files.json_file import read_json
from bundle.names.image_names import base_name, is_image
from bundle.names.name_words import meaning, words_of
from bundle.tasks.parts import Label, Region
from bundle.tasks.task import Task

DESCRIPTION = "dataset.json"
IMAGE_FOLDERS = {"imagesTr": "labelsTr", "imagesTs": "labelsTs", "imagesVal": "labelsVal"}
"""Folders of images, and those of their labels."""

Key = TypeVar("Key", str, int)

_CHANNEL = re.compile(r"(?P<case>.+)_(?P<channel>\d{4})")


def is_nnunet(folder: Path) -> bool:
    """Whether a folder, or one of its folders of images, is an nnU-Net raw data set by its
    files' names.
    """
    return any(True for _ in _image_folders(folder))


def list_nnunet_cases(folder: Path, task: Task) -> tuple[dict[str, Any], ...]:
    """List training and test cases; the images are not opened.

    Args:
        folder: the data set, or one of its folders of images.
        task: whose modalities and numberings its description names.

    Returns:
        One dictionary per case: ``image`` maps modality to file; ``label``, and
        ``label_convention`` where the description's labels leave no doubt.

    Raises:
        UsageError: there is no description, or it does not say which channel is which modality.
    """
    root = folder.parent if folder.name in IMAGE_FOLDERS else folder
    description = root / DESCRIPTION
    if not description.is_file():
        raise _error(
            description, "must exist beside the folders of images, as nnU-Net has it", "none"
        )
    content = read_json(description)
    content = content if isinstance(content, dict) else {}
    names = content.get("channel_names", content.get("modality"))
    order = channel_order(description, names, task)
    numbering = described_numbering(content, task)
    items: dict[str, dict[str, Any]] = {}
    for images in _image_folders(folder):
        for case_id, files in _cases(images).items():
            labels = root / IMAGE_FOLDERS[images.name]
            item = _item(case_id, files, order, labels, numbering, task)
            items.setdefault(f"{images.name}/{case_id}", item)
    return tuple(items.values())


def _image_folders(folder: Path) -> Iterator[Path]:
    candidates = (
        [folder] if folder.name in IMAGE_FOLDERS else [folder / name for name in IMAGE_FOLDERS]
    )
    for path in candidates:
        if path.is_dir() and any(
            _CHANNEL.fullmatch(base_name(file.name)) for file in path.iterdir() if is_image(file)
        ):
            yield path


def _cases(images: Path) -> dict[str, dict[int, list[Path]]]:
    cases: dict[str, dict[int, list[Path]]] = {}
    for path in sorted(images.iterdir()):
        match = _CHANNEL.fullmatch(base_name(path.name)) if is_image(path) else None
        if match:
            cases.setdefault(match.group("case"), {}).setdefault(
                int(match.group("channel")), []
            ).append(path)
    return cases


def _item(
    case_id: str,
    files: Mapping[int, list[Path]],
    order: list[str],
    labels: Path,
    numbering: str | None,
    task: Task,
) -> dict[str, Any]:
    first = next(iter(files.values()))[0]
    item: dict[str, Any] = {"case_id": case_id, "image": first}
    doubled = [paths for paths in files.values() if len(paths) > 1]
    unknown = [channel for channel in files if channel >= len(order)]
    if doubled or unknown:
        got = (
            " and ".join(path.name for path in doubled[0][:2])
            if doubled
            else f"channel {unknown[0]:04d}"
        )
        text = (
            f"Case {case_id}: its files must be one for each channel that {DESCRIPTION} names; got"
            f" {got}."
        )
        return {
            **item,
            "problem": CaseError("E_AMBIGUOUS", f"{text} Remove or rename it in {first.parent}."),
        }
    channels = {order[channel]: paths[0] for channel, paths in files.items()}
    item["image"] = {modality: channels[modality] for modality in task.in_order(channels)}
    found = _labels_of(case_id, labels)
    if len(found) > 1:
        text = (
            f"Case {case_id}: seg must be one file; got {found[0].name} and {found[1].name} in"
            f" {labels}."
        )
        return {**item, "problem": CaseError("E_AMBIGUOUS", f"{text} Remove one.")}
    if found:
        item |= {"label": found[0], **({"label_convention": numbering} if numbering else {})}
    return item


def _labels_of(case_id: str, labels: Path) -> list[Path]:
    names = (f"{case_id}{end}" for end in (".nii.gz", ".nii", ".nrrd", ".mha", ".mgz", ".mgh"))
    return [labels / name for name in names if (labels / name).is_file()]


def channel_order(description: Path, names: Any, task: Task) -> list[str]:
    """Return the modalities in the order of their channels.

    Raises:
        UsageError: a channel has no number or no name of an MRI modality, or two have the same.
    """
    if not isinstance(names, dict) or sorted(names, key=str) != sorted(
        str(index) for index in range(len(names))
    ):
        raise _error(
            description, "'channel_names' must number the channels 0, 1, 2 and so on", names
        )
    order = [_modality(str(names[str(index)]), task) for index in range(len(names))]
    if None in order or not order:
        raise _error(
            description,
            f"'channel_names' must name MRI modalities, such as {_examples(task)}",
            names,
        )
    if len(set(order)) < len(order):
        raise _error(description, "'channel_names' must name every modality once", names)
    return [str(modality) for modality in order]


def _examples(task: Task) -> str:
    return ", ".join((modality.name, *modality.examples)[-1] for modality in task.modalities)


def _modality(name: str, task: Task) -> str | None:
    try:
        return task.canonical_modality(name)
    except ValueError:
        words = words_of(name, task)
        return meaning(words, task) if all(word.kinds for word in words) else None


def described_numbering(content: Mapping[str, Any], task: Task) -> str | None:
    """Tell the numbering of the labels from a description, None if it does not say so with
    certainty.

    Both of nnU-Net's forms are read, and its regions: ``{"edema": 1, ...}``, ``{"1": "edema",
    ...}``, and ``{"whole tumor": [1, 2, 3], "tumor core": [2, 3], "enhancing tumor": 3}``.
    """
    labels = content.get("labels")
    if not isinstance(labels, dict):
        return None
    values = (
        {str(value).lower(): key for key, value in labels.items()}
        if _is_numbered(labels)
        else labels
    )
    named = {str(name).lower().replace("_", " "): value for name, value in values.items()}
    named = {name: value for name, value in named.items() if name not in ("background", "ignore")}
    has_regions = any(isinstance(value, list) for value in named.values())
    found = _values_of_regions(named, task) if has_regions else _values_of_labels(named, task)
    for name, numbering in task.numberings.items():
        known = {disk: here for disk, here in numbering.table.items() if disk}
        if found and found == known:
            return name
    return None


def _is_numbered(labels: Mapping[str, Any]) -> bool:
    return all(str(key).isdigit() for key in labels)


def _values_of_labels(named: Mapping[str, Any], task: Task) -> dict[int, int] | None:
    """Return value on disk to value here, 0 for what is no finding, None if a name is not clear."""
    others = [one.others_words for one in task.numberings.values() if one.others_words]
    found: dict[int, int] = {}
    for name, value in named.items():
        if not str(value).isdigit():
            return None
        is_other = any(re.search(words, name) for words in others)
        here = 0 if is_other else _meant(name, {one.value: one for one in task.labels})
        if here is None or int(value) in found:
            return None
        found[int(value)] = here
    is_complete = sorted(filter(None, found.values())) == [one.value for one in task.labels]
    return found if is_complete else None


def _values_of_regions(named: Mapping[str, Any], task: Task) -> dict[int, int] | None:
    """Return value on disk to value here: that of the label which lies in the same regions."""
    regions: dict[str, set[int]] = {}
    for name, value in named.items():
        region = _meant(name, {one.name: one for one in task.regions})
        values = value if isinstance(value, list) else [value]
        if region is None or region in regions or not all(str(one).isdigit() for one in values):
            return None
        regions[region] = {int(one) for one in values}
    labels: dict[frozenset[str], int] = {}
    for label in task.labels:
        own = frozenset(one.name for one in task.regions if label.value in one.labels)
        labels[own] = label.value
    found: dict[int, int] = {}
    for disk in set().union(*regions.values()):
        here = labels.get(frozenset(name for name, values in regions.items() if disk in values))
        if here is None:
            return None
        found[disk] = here
    is_complete = sorted(found.values()) == [one.value for one in task.labels]
    return found if is_complete and set(regions) == set(task.region_names) else None


def _meant(name: str, parts: Mapping[Key, Label | Region]) -> Key | None:
    """Return the first of labels or regions whose words a name holds."""
    for key, part in parts.items():
        if re.search(part.words or re.escape(part.name.lower()), name):
            return key
    return None


def _error(description: Path, rule: str, got: Any) -> UsageError:
    return UsageError(
        "E_DATALIST",
        f"{description}: {rule}; got {got!r}. Correct it, or give a .csv list of the cases' files.",
    )
