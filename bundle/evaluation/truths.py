"""Truth of which there are no images: label maps alone, enough to judge somebody's
segmentations.
"""

import re
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bundle.cases.case_record import CaseRecord
from bundle.cases.label_map import read_label_map
from bundle.errors import CaseError
from bundle.evaluation.predictions import case_of
from bundle.names.image_names import is_image
from bundle.tasks.default import DEFAULT_TASK
from bundle.tasks.task import Task


def is_folder_of_truths(source: Path, *, task: Task = DEFAULT_TASK) -> bool:
    """Whether a folder holds label maps and nothing else: no folders, and no name that says a
    modality.
    """
    if not source.is_dir():
        return False
    visible = [path for path in source.iterdir() if not path.name.startswith(".")]
    images = [path for path in visible if is_image(path)]
    if not images or any(path.is_dir() for path in visible):
        return False
    names = _modality_names(task)
    return not any(names.search(path.name) for path in images)


def list_truths(folder: Path) -> tuple[dict[str, Any], ...]:
    """List the label maps of a folder, each the truth of the case that it is named after.

    Returns:
        One dictionary per case with ``case_id``, ``label`` and an empty ``image``; ``problem``
        where a case has two.
    """
    files = sorted(path for path in folder.iterdir() if is_image(path))
    found: dict[str, list[Path]] = {}
    for path in files:
        found.setdefault(case_of(path), []).append(path)
    truths = []
    for case_id, maps in found.items():
        truth: dict[str, Any] = {"case_id": case_id, "image": {}, "label": maps[-1]}
        if len(maps) > 1:
            names = " and ".join(path.name for path in maps)
            text = (
                f"Case {case_id}: the truth must be one file; got {names} in {folder}. Remove one."
            )
            truth["problem"] = CaseError("E_AMBIGUOUS", text)
        truths.append(truth)
    return tuple(truths)


def load_truth(
    case: Mapping[Any, Any], declared: str | None, *, task: Task = DEFAULT_TASK
) -> dict[Hashable, Any]:
    """Load a case of which there is only the label.

    Args:
        case: ``case_id`` and ``label``.
        declared: its numbering, one of the task's; None to tell it from names and values.
        task: whose labels these are.

    Returns:
        ``image`` (M, H, W, D), all 0, ``label`` (R, H, W, D) and ``record``, as ``LoadCased`` gives
        them.

    Raises:
        CaseError: the label cannot be read, or its numbering is not certain.
    """
    case_id = str(case["case_id"])
    label = read_label_map(Path(case["label"]), case_id=case_id, declared=declared, task=task)
    warnings = tuple(f"label: {text}" for text in label.warnings)
    nothing = np.broadcast_to(np.float32(0), (task.n_modalities, *label.grid.shape)).copy()
    return {
        "case_id": case_id,
        "image": torch.from_numpy(nothing),
        "label": torch.from_numpy(task.labels_to_regions(label.values)),
        "record": CaseRecord(case_id, {}, warnings, label.grid).to_json(),
    }


def _modality_names(task: Task) -> re.Pattern[str]:
    """Match the names of files that say a modality at their end, or the number of a channel."""
    aliases: list[str] = []
    for modality in task.modalities:
        aliases += (modality.name, *modality.aliases)
    names = "|".join(map(re.escape, dict.fromkeys(aliases)))
    return re.compile(rf"(?:^|[-_.])(?:{names}|0\d{{3}})\.\w", re.I)
