"""What a report says of a case, in words and rows, from the facts of its JSON."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

import numpy as np

from bundle.plain_text import printable
from bundle.tasks.task import Task

Facts = Mapping[str, Any]


@dataclass(frozen=True)
class ModalityRow:
    """What is said of one modality of the task.

    Attributes:
        title: in words.
        name: in files.
        acquired: whether the result rests on it.
        note: where it came from, or what its absence means.
        weights: share that the network gave it, one per region; empty if it was not acquired.
        contributions: its share in what was decided inside each region, "-" where nothing was
            found; empty where nobody asked.
    """

    title: str
    name: str
    acquired: bool
    note: str
    weights: tuple[str, ...] = ()
    contributions: tuple[str, ...] = ()


@dataclass(frozen=True)
class VolumeRow:
    """The volume of a label or a region.

    Attributes:
        name: in words.
        colour: ``#rrggbb``.
        is_region: whether it is a sum of labels.
        volume_ml: with two decimals.
        interval: plausible volumes, in words; empty if nobody knows.
    """

    name: str
    colour: str
    is_region: bool
    volume_ml: str
    interval: str


def modality_rows(facts: Facts, task: Task) -> list[ModalityRow]:
    """Say of each modality whether it was acquired, and what that means."""
    rows = []
    left_out = (facts.get("prepared") or {}).get("left_out", {})
    for modality in task.modalities:
        entry = facts.get("inputs", {}).get(modality.name)
        is_there = modality.name in facts["modalities"]
        if is_there:
            note = file_name(entry) if entry else ""
        elif modality.name in left_out:
            note = f"Acquired, but left out: {printable(str(left_out[modality.name]))}"
            note = f"{note.rstrip('.')}. {modality.without}".strip()
        else:
            note = modality.without or "The result rests on the others."
        if not is_there:
            note = f"{note} {_gain(facts, modality.name, task)}".strip()
        weights = facts.get("mean_weights", {}).get(modality.name, {}) if is_there else {}
        shares = tuple(_share(weights[name]) for name in task.region_names if name in weights)
        parts = _contributions(facts, modality.name, task) if is_there else ()
        rows.append(ModalityRow(modality.title, modality.name, is_there, note, shares, parts))
    return rows


def _gain(facts: Facts, modality: str, task: Task) -> str:
    """Say what acquiring a missing modality changed in the cases that the weights were judged on;
    nothing where nobody knows.
    """
    known = (facts.get("gains_of_missing") or {}).get(modality, {})
    said = []
    for region in task.region_names:
        found = known.get(region)
        if found and found["low"] is not None:
            mean, low, high = (100 * found[key] for key in ("mean", "low", "high"))
            said.append(f"{region} {mean:+.0f} ({low:+.0f} to {high:+.0f}; {found['n']} cases)")
    if not said:
        return ""
    return (
        f"With it, Dice in judged cases that had the others changed by points: {', '.join(said)}."
    )


def _contributions(facts: Facts, modality: str, task: Task) -> tuple[str, ...]:
    of_regions = facts.get("contributions") or {}
    said = [of_regions[name] for name in task.region_names if name in of_regions]
    return tuple("-" if one is None else _share(one.get(modality, 0.0)) for one in said)


def summary_words(facts: Facts, task: Task) -> str:
    """Say in one sentence what was acquired and what was missing."""
    titles = {modality.name: modality.title for modality in task.modalities}
    given = [titles.get(name, printable(name)) for name in facts["modalities"]]
    missing = [titles.get(name, printable(name)) for name in facts.get("missing", ())]
    if not missing:
        return f"All {len(given)} modalities were acquired: {_listed(given)}."
    was = "was" if len(given) == 1 else "were"
    were = "was" if len(missing) == 1 else "were"
    return (
        f"{_listed(given)} {was} acquired; {_listed(missing)} {were} missing. Nothing was made up"
        " for what is missing: the network left it out."
    )


def volume_rows(facts: Facts, task: Task) -> list[VolumeRow]:
    """List the volumes of regions, outer ones first, then of the labels that they are made of."""
    volumes = facts.get("volumes_ml", {})
    known = {
        **(facts.get("volume_intervals_ml") or {}),
        **(facts.get("region_intervals_ml") or {}),
    }
    rows = []
    labels = {label.value: label for label in task.labels}
    by_name = {region.name: region for region in task.regions}
    for name in task.outer_first if len(labels) > 1 else ():
        region = by_name[name]
        total = sum(volumes.get(labels[value].name, 0.0) for value in region.labels)
        text = f"{region.title} ({name})"
        interval = _interval(known.get(name))
        rows.append(VolumeRow(text, region.colour, True, _ml(total), interval))
    for label in task.labels:
        volume = _ml(volumes.get(label.name, 0.0))
        interval = _interval(known.get(label.name))
        rows.append(VolumeRow(label.name, label.colour, False, volume, interval))
    return rows


def interval_level(facts: Facts) -> str:
    """Return the share of cases whose regions' volumes lie in such intervals, as ``80 %``; empty
    where nobody knows.
    """
    level = facts.get("interval_level")
    if not isinstance(level, int | float) or not facts.get("region_intervals_ml"):
        return ""
    return f"{100 * level:.0f} %"


def volumes_without(facts: Facts, task: Task) -> list[tuple[str, list[str]]]:
    """List what the volumes of the labels would be without each modality, and last the mean entropy
    of what would be found; nothing where nobody computed it.
    """
    known = facts.get("volumes_without_ml") or {}
    entropies = facts.get("mean_entropies_without") or {}
    rows = []
    for modality in task.modalities:
        if modality.name in known:
            of_set = known[modality.name]
            volumes = [_ml(of_set.get(label.name, 0.0)) for label in task.labels]
            entropy = entropies.get(modality.name)
            rows.append((modality.title, [*volumes, "-" if entropy is None else f"{entropy:.2f}"]))
    return rows


def total_ml(facts: Facts) -> float:
    """Return the volume of all that was found."""
    return float(sum(facts.get("volumes_ml", {}).values()))


def mean_entropy(facts: Facts, task: Task) -> float | None:
    """Return the mean entropy within what was found, bit; None where nothing was found."""
    value = facts.get(f"mean_entropy_in_{task.finding}")
    return None if value is None else float(value)


def flags(facts: Facts, task: Task) -> list[str]:
    """List what a reader should look at twice."""
    found = [printable(str(text)) for text in facts.get("warnings", ())]
    if total_ml(facts) == 0:
        found.insert(0, f"No {task.finding} was found.")
    if len(facts["modalities"]) == 1 and task.n_modalities > 1:
        found.append("One modality alone: nothing confirms what it shows.")
    return found


def preparation_rows(facts: Facts) -> list[tuple[str, str]]:
    """Say how each scan was prepared, and what cut out the brain."""
    prepared = facts.get("prepared")
    if not prepared:
        return []
    rows = [("Reference", printable(str(prepared["reference"])))]
    if prepared.get("brain_by"):
        rows.append(("Brain cut out by", printable(str(prepared["brain_by"]))))
    for name, scan in prepared.get("modalities", {}).items():
        rows.append((printable(name), _preparation(scan)))
    return rows


def _preparation(scan: Facts) -> str:
    moved = not np.allclose(scan.get("moved_by", np.eye(4)), np.eye(4))
    words = ["registered: moved" if moved else "left where it was"]
    words += ["resampled"] if scan.get("resampled") else []
    words += [
        f"{printable(str(name)).replace('_', ' ')} {value:g}"
        for name, value in scan.get("quality", {}).items()
    ]
    return ", ".join(words)


def checksum_rows(facts: Facts) -> list[tuple[str, str, str]]:
    """List what went in: what it is, the name of its file, its SHA-256.

    Names of folders, which often are those of patients or users, are left out.
    """
    inputs = facts.get("inputs", {})
    rows = [
        (printable(name), file_name(entry), printable(str(entry.get("sha256", ""))))
        for name, entry in inputs.items()
    ]
    return [*rows, ("weights", "", printable(str(facts.get("weights_sha256", ""))))]


def file_name(entry: Facts) -> str:
    """Name the file of an input, without the folders above it."""
    name = printable(PurePath(str(entry.get("file", ""))).name)
    return f"{name}, volume {entry['channel'] + 1}" if "channel" in entry else name


def run_rows(facts: Facts) -> Iterator[tuple[str, str]]:
    """List settings and versions."""
    for name, value in facts.get("settings", {}).items():
        shown: Any = value
        if isinstance(value, Sequence) and not isinstance(value, str):
            shown = " x ".join(map(str, value))
        yield printable(str(name)).replace("_", " "), printable(str(shown))
    yield "numbering of labels", printable(str(facts.get("labels", {}).get("convention", "")))
    for name, value in facts.get("versions", {}).items():
        yield printable(str(name)), printable(str(value))
    seconds = facts.get("seconds", {}).get("reading_to_maps")
    if seconds is not None:
        yield "computed in", f"{seconds:g} s"


def _listed(words: Sequence[str]) -> str:
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} and {words[-1]}"


def _share(value: float) -> str:
    return f"{100 * value:.0f} %"


def _ml(value: float) -> str:
    return f"{value:.2f}"


def _interval(pair: Any) -> str:
    return f"{pair[0]:.2f} to {pair[1]:.2f}" if pair else ""
