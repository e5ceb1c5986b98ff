"""Lists the cases of an nnU-Net raw data set: ``imagesTr/CASE_0000.nii.gz``, the channels named in
``dataset.json``.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bundle.errors import CaseError, UsageError
from bundle.files.json_file import read_json
from bundle.names.image_names import base_name, is_image
from bundle.names.name_words import meaning, words_of
from bundle.tasks.modalities import MODALITIES, canonical_modality
from bundle.tasks.regions import CONVENTIONS

DESCRIPTION = "dataset.json"
IMAGE_FOLDERS = {"imagesTr": "labelsTr", "imagesTs": "labelsTs", "imagesVal": "labelsVal"}
"""Folders of images, and those of their labels."""

_CHANNEL = re.compile(r"(?P<case>.+)_(?P<channel>\d{4})")
_LABEL_WORDS = (
    (1, re.compile(r"necro|\bncr\b|\bnet\b|non-?\s?enhanc|\bnetc\b")),
    (2, re.compile(r"o?edema|\bed\b|peritum|\bsnfh\b|flair hyper")),
    (3, re.compile(r"enhanc|\bet\b|\bat\b|active")),
)
_CAVITY = re.compile(r"cavit|\brc\b|resect")
_REGION_WORDS = (
    ("TC", re.compile(r"core|\btc\b")),
    ("WT", re.compile(r"whole|\bwt\b")),
    ("ET", re.compile(r"enhanc|\bet\b")),
)


def is_nnunet(folder: Path) -> bool:
    """Whether a folder, or one of its folders of images, is an nnU-Net raw data set by its
    files' names.
    """
    return any(True for _ in _image_folders(folder))


def list_nnunet_cases(folder: Path) -> tuple[dict[str, Any], ...]:
    """List training and test cases; the images are not opened.

    Args:
        folder: the data set, or one of its folders of images.

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
    order = channel_order(description, content.get("channel_names", content.get("modality")))
    convention = labels_convention(content)
    items: dict[str, dict[str, Any]] = {}
    for images in _image_folders(folder):
        for case_id, files in _cases(images).items():
            item = _item(case_id, files, order, root / IMAGE_FOLDERS[images.name], convention)
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
    convention: str | None,
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
    item["image"] = {
        modality: channels[modality] for modality in MODALITIES if modality in channels
    }
    found = _labels_of(case_id, labels)
    if len(found) > 1:
        text = (
            f"Case {case_id}: seg must be one file; got {found[0].name} and {found[1].name} in"
            f" {labels}."
        )
        return {**item, "problem": CaseError("E_AMBIGUOUS", f"{text} Remove one.")}
    if found:
        item |= {"label": found[0], **({"label_convention": convention} if convention else {})}
    return item


def _labels_of(case_id: str, labels: Path) -> list[Path]:
    names = (f"{case_id}{end}" for end in (".nii.gz", ".nii", ".nrrd", ".mha", ".mgz", ".mgh"))
    return [labels / name for name in names if (labels / name).is_file()]


def channel_order(description: Path, names: Any) -> list[str]:
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
    order = [_modality(str(names[str(index)])) for index in range(len(names))]
    if None in order or not order:
        raise _error(
            description,
            "'channel_names' must name MRI modalities, such as T1, T1ce, T2, FLAIR",
            names,
        )
    if len(set(order)) < len(order):
        raise _error(description, "'channel_names' must name every modality once", names)
    return [str(modality) for modality in order]


def _modality(name: str) -> str | None:
    try:
        return canonical_modality(name)
    except ValueError:
        words = words_of(name)
        return meaning(words) if all(word.kinds for word in words) else None


def labels_convention(content: Mapping[str, Any]) -> str | None:
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
    numbering = _numbering_of_regions(named) if has_regions else _numbering_of_names(named)
    return next((name for name in CONVENTIONS if numbering and _numbering(name) == numbering), None)


def _is_numbered(labels: Mapping[str, Any]) -> bool:
    return all(str(key).isdigit() for key in labels)


def _numbering(convention: str) -> dict[int, int]:
    """Return a convention as value on disk to value here, without the background; 0 is what is no
    tumour.
    """
    return {disk: here for disk, here in CONVENTIONS[convention].items() if disk}


def _numbering_of_names(named: Mapping[str, Any]) -> dict[int, int] | None:
    numbering: dict[int, int] = {}
    for name, value in named.items():
        if not str(value).isdigit():
            return None
        here = (
            0
            if _CAVITY.search(name)
            else next((here for here, word in _LABEL_WORDS if word.search(name)), None)
        )
        if here is None or int(value) in numbering:
            return None
        numbering[int(value)] = here
    tumour = [here for here in numbering.values() if here]
    return numbering if sorted(tumour) == [1, 2, 3] else None


def _numbering_of_regions(named: Mapping[str, Any]) -> dict[int, int] | None:
    regions: dict[str, set[int]] = {}
    for name, value in named.items():
        region = next((region for region, word in _REGION_WORDS if word.search(name)), None)
        values = value if isinstance(value, list) else [value]
        if region is None or region in regions or not all(str(one).isdigit() for one in values):
            return None
        regions[region] = {int(one) for one in values}
    if set(regions) != {"TC", "WT", "ET"} or not regions["ET"] < regions["TC"] < regions["WT"]:
        return None
    parts = {3: regions["ET"], 1: regions["TC"] - regions["ET"], 2: regions["WT"] - regions["TC"]}
    return (
        {disk: here for here, values in parts.items() for disk in values}
        if all(len(values) == 1 for values in parts.values())
        else None
    )


def _error(description: Path, rule: str, got: Any) -> UsageError:
    return UsageError(
        "E_DATALIST",
        f"{description}: {rule}; got {got!r}. Correct it, or give a .csv list of the cases' files.",
    )
