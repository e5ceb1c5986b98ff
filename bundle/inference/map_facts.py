"""What the JSON of a case says of its maps: volumes, what they may be, weights, doubts."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bundle.cases.case_record import CaseRecord
from bundle.inference.volume_interval import voxel_intervals
from bundle.tasks.task import Task
from bundle.weights.calibration import Calibration

ONE_ALONE = "volumes_per_set: of one modality alone there is no result without it"

Facts = dict[str, Any]


def map_facts(
    record: CaseRecord, label: NDArray[Any], mean_weights: Tensor, entropy: Tensor, task: Task
) -> Facts:
    """Tell the volumes of a label map, how sure they are, and which modalities were listened to.

    Args:
        record: of the case.
        label: (H, W, D), the task's values.
        mean_weights: (M, R).
        entropy: (H, W, D), bit.
        task: of the network.
    """
    counts = np.bincount(label.ravel(), minlength=len(task.label_names))
    found = torch.from_numpy(label > 0)
    return {
        "case_id": record.case_id,
        "modalities": list(record.modalities),
        "missing": list(record.missing),
        "volumes_ml": {one.name: _in_ml(int(counts[one.value]), record) for one in task.labels},
        "mean_weights": _named_weights(record, mean_weights, task),
        f"mean_entropy_in_{task.finding}": (
            round(float(entropy[found].mean()), 4) if found.any() else None
        ),
        "warnings": list(record.warnings),
    }


def interval_facts(
    record: CaseRecord, probabilities: Tensor, calibration: Calibration | None, task: Task
) -> Facts:
    """Tell what each volume may be, see ``volume_interval``; where there is a calibration, also in
    what the volumes of regions lie in a known share of cases, and what modalities that are missing
    changed in others.

    Args:
        record: of the case.
        probabilities: (R, H, W, D), of the regions.
        calibration: of the network; None for none.
        task: of the network.
    """
    counts = voxel_intervals(probabilities, task)
    facts: Facts = {
        "volume_intervals_ml": {
            name: [_in_ml(n, record) for n in ends] for name, ends in counts.items()
        }
    }
    if calibration is None:
        return facts
    limits = calibration.limits(len(record.modalities), task)
    intervals = {
        name: [
            _in_ml(int((region > end).sum()), record) for end in (limits[name], 1 - limits[name])
        ]
        for name, region in zip(task.region_names, probabilities, strict=True)
        if name in limits
    }
    return {
        **facts,
        "region_intervals_ml": intervals,
        "interval_level": calibration.level,
        "gains_of_missing": calibration.gains_from(record.modalities),
    }


def without_facts(
    volumes: Sequence[Sequence[float]], entropies: Sequence[float], task: Task
) -> Facts:
    """Tell what is found without each modality.

    Args:
        volumes: M x L, ml; negative where it was not computed.
        entropies: M, bit; NaN where nothing is found.
        task: of the network.
    """
    labels = [label.name for label in task.labels]
    known = {
        modality: (dict(zip(labels, [round(ml, 3) for ml in of_set], strict=True)), entropy)
        for modality, of_set, entropy in zip(task.modality_names, volumes, entropies, strict=True)
        if min(of_set) >= 0
    }
    return {
        "volumes_without_ml": {modality: named for modality, (named, _) in known.items()},
        "mean_entropies_without": {
            modality: round(entropy, 4) if math.isfinite(entropy) else None
            for modality, (_, entropy) in known.items()
        },
    }


def voxel_ml(affine: Any) -> float:
    """Return the volume of a voxel."""
    return abs(float(np.linalg.det(np.asarray(affine)[:3, :3]))) / 1000


def _in_ml(n_voxels: int, record: CaseRecord) -> float:
    return round(n_voxels * voxel_ml(record.grid.affine), 3)


def _named_weights(
    record: CaseRecord, mean_weights: Tensor, task: Task
) -> dict[str, dict[str, float]]:
    """Name the mean weights (M, R) of the acquired modalities."""
    pairs = zip(task.modality_names, mean_weights.tolist(), strict=True)
    return {
        modality: dict(zip(task.region_names, [round(w, 4) for w in of_regions], strict=True))
        for modality, of_regions in pairs
        if modality in record.modalities
    }
