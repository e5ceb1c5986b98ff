"""Truth of which there are no images: label maps alone, enough to judge somebody's
segmentations.
"""

import re
from collections import Counter
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
from bundle.tasks.modalities import MODALITIES, modality_names
from bundle.tasks.regions import labels_to_regions

_NAMES = "|".join(name for modality in MODALITIES for name in modality_names(modality))
_IMAGE = re.compile(rf"(?:^|[-_.])(?:{_NAMES}|0\d{{3}})\.\w", re.I)


def is_folder_of_truths(source: Path) -> bool:
    """Whether a folder holds label maps and nothing else: no folders, and no name that says a
    modality.
    """
    if not source.is_dir():
        return False
    visible = [path for path in source.iterdir() if not path.name.startswith(".")]
    images = [path for path in visible if is_image(path)]
    return (
        bool(images)
        and not any(path.is_dir() for path in visible)
        and not any(map(_is_scan, images))
    )


def list_truths(folder: Path) -> tuple[dict[str, Any], ...]:
    """List the label maps of a folder, each the truth of the case that it is named after.

    Returns:
        One dictionary per case with ``case_id``, ``label`` and an empty ``image``; ``problem``
        where a case has two.
    """
    files = sorted(path for path in folder.iterdir() if is_image(path))
    counts = Counter(map(case_of, files))
    truths = {
        case_of(path): {"case_id": case_of(path), "image": {}, "label": path} for path in files
    }
    for case_id, truth in truths.items():
        if counts[case_id] > 1:
            names = " and ".join(path.name for path in files if case_of(path) == case_id)
            text = (
                f"Case {case_id}: the truth must be one file; got {names} in {folder}. Remove one."
            )
            truth["problem"] = CaseError("E_AMBIGUOUS", text)
    return tuple(truths.values())


def load_truth(case: Mapping[Any, Any], declared: str | None) -> dict[Hashable, Any]:
    """Load a case of which there is only the label.

    Args:
        case: ``case_id`` and ``label``.
        declared: its numbering, a key of ``regions.CONVENTIONS``; None to tell it from names and
            values.

    Returns:
        ``image`` (M, H, W, D), all 0, ``label`` (R, H, W, D) and ``record``, as ``LoadCased`` gives
        them.

    Raises:
        CaseError: the label cannot be read, or its numbering is not certain.
    """
    case_id = str(case["case_id"])
    label = read_label_map(Path(case["label"]), case_id=case_id, declared=declared)
    warnings = tuple(f"label: {text}" for text in label.warnings)
    nothing = np.broadcast_to(np.float32(0), (len(MODALITIES), *label.grid.shape)).copy()
    return {
        "case_id": case_id,
        "image": torch.from_numpy(nothing),
        "label": torch.from_numpy(labels_to_regions(label.values)),
        "record": CaseRecord(case_id, {}, warnings, label.grid).to_json(),
    }


def _is_scan(path: Path) -> bool:
    return _IMAGE.search(path.name) is not None
