"""What stands beside the maps of a case in BIDS: descriptions, and the table of labels."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bundle.files.json_file import json_bytes
from bundle.tasks.task import Task

FACTS, CASE_ID, FILES = "SimMLM", "case_id", "files"
"""Key of a label map's sidecar that holds the facts of its case, and two of them."""

SEGMENTATION = "seg"
_ENTROPY, _WEIGHT, _CONTRIBUTION = "entropy", "weight", "contribution"
_OWN_SPACE = "orig"
_NO_COLOUR = "#000000"


def bids_ending(kind: str) -> str | None:
    """Return what a map's file is called behind subject and session, without its ending.

    BIDS has the suffix ``dseg`` for exclusive labels, and none for entropies and weights: they are
    told from probabilities by ``desc``.

    Args:
        kind: of the map, such as ``seg`` or ``weight-MODALITY``.

    Returns:
        None for a map that is not part of the data set.
    """
    first, *others = kind.split("-")
    if kind == SEGMENTATION:
        return "dseg"
    if first not in (_ENTROPY, _WEIGHT, _CONTRIBUTION):
        return None
    return f"desc-{first}{''.join(other[:1].upper() + other[1:] for other in others)}_probseg"


def map_sidecar(kind: str) -> bytes:
    """Describe a map that is no label map."""
    first, *others = kind.split("-")
    of = f" of {' in '.join(others)}" if others else ""
    meaning, units = {
        _ENTROPY: (f"Entropy of the decision{of}; no probability", "bit"),
        _WEIGHT: (f"Share{of} in the mixture; shares sum to 1 over the modalities", "arbitrary"),
        _CONTRIBUTION: (f"Share{of} in what is added up to the logits", "arbitrary"),
    }[first]
    return json_bytes({"Description": meaning, "SpatialReference": _OWN_SPACE, "Units": units})


def label_sidecar(facts: Mapping[str, Any], files: list[str]) -> bytes:
    """Describe a label map, with all facts of its case.

    Args:
        facts: of ``CASE.json``.
        files: of the case in its folder of the data set.
    """
    inputs = {
        modality: {**entry, "file": Path(str(entry["file"])).name}
        for modality, entry in facts["inputs"].items()
    }
    left_out = {"maps", "companions", "opened_first"}
    own = {name: value for name, value in facts.items() if name not in left_out}
    return json_bytes(
        {
            "Description": "Automatic segmentation; research only, not for diagnosis",
            "Manual": False,
            "SpatialReference": _OWN_SPACE,
            FACTS: {**own, "inputs": inputs, FILES: files},
        }
    )


def label_table(labels: Mapping[str, Any], task: Task) -> bytes:
    """Return the table of a label map's values: number, name, colour.

    Args:
        labels: ``labels`` of ``CASE.json``.
        task: of which the labels are.
    """
    colours = {label.name: label.colour for label in task.labels}
    rows = [
        f"{value}\t{name}\t{colours.get(name, _NO_COLOUR)}\n"
        for value, name in sorted(labels["values"].items(), key=lambda entry: int(entry[0]))
    ]
    return "".join(["index\tname\tcolor\n", *rows]).encode()
