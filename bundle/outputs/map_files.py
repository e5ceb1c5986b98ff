"""The maps of a case and the files that they become: which there may be, and what they are
called.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bundle.cases.case_record import CaseRecord
from bundle.errors import CaseError
from bundle.outputs.slicer_files import slicer_file_names
from bundle.tasks.modalities import MODALITIES
from bundle.tasks.regions import REGIONS, to_convention

Maps = dict[str, NDArray[Any]]

MAP_KINDS = ("seg", "entropy", "weight")
"""Kinds of maps: what their names begin with."""

_OPTIONAL_MAPS = (
    *(f"entropy-{region}" for region in REGIONS),
    *(f"weight-{modality}" for modality in MODALITIES),
    *(f"weight-{modality}-{region}" for modality in MODALITIES for region in REGIONS),
)


def collect_maps(case: Mapping[str, Any], record: CaseRecord, label_convention: str) -> Maps:
    """Name the maps of a case as their files are named: ``seg``, ``entropy``, ``weight-t1c`` and so
    on.

    Args:
        case: after post-processing, see ``maps.SplitMapsd``.
        record: says which modalities were acquired; others get no weight map.
        label_convention: numbering of ``seg``.

    Returns:
        Name to (H, W, D): ``seg`` uint8, the others float32.
    """
    entropy, weights = _array(case["entropy"]), _array(case["weights"])
    maps: Maps = {
        "seg": to_convention(label_map(case), label_convention),
        "entropy": entropy[0].astype(np.float32),
    }
    for region, values in zip(REGIONS, entropy[1:], strict=False):
        maps[f"entropy-{region}"] = values.astype(np.float32)
    for name, modality, values in zip(
        _weight_names(len(weights)), _repeated(len(weights)), weights, strict=True
    ):
        if modality in record.modalities:
            maps[name] = values.astype(np.float32)
    return maps


def check_finite(maps: Mapping[str, NDArray[Any]], case_id: str) -> None:
    """Refuse maps with voxels that are no numbers.

    Raises:
        CaseError: E_NOT_FINITE.
    """
    for name, values in maps.items():
        n_bad = values.size - int(np.isfinite(values).sum())
        if n_bad:
            raise CaseError(
                "E_NOT_FINITE",
                f"Case {case_id}: every voxel of the map {name} must be a number; got {n_bad} that"
                " are not. Look at the intensities of the images; on a GPU try --device cpu.",
            )


def map_names(case_id: str, maps: Sequence[str]) -> list[str]:
    """Name the files of maps."""
    return [f"{case_id}_{name}.nii.gz" for name in maps]


def possible_names(case_id: str) -> frozenset[str]:
    """Name all files that a run may write or remove."""
    companions = (preview_name(case_id), *slicer_file_names(case_id), f"{case_id}.json")
    return frozenset((*companions, *map_names(case_id, ("seg", "entropy", *_OPTIONAL_MAPS))))


def preview_name(case_id: str) -> str:
    """Name the picture of a case."""
    return f"{case_id}_preview.png"


def label_map(case: Mapping[str, Any]) -> NDArray[np.uint8]:
    """Return the label map (H, W, D) of a case after post-processing."""
    return _array(case["pred"])[0].astype(np.uint8)


def _weight_names(count: int) -> list[str]:
    if count == len(MODALITIES):
        return [f"weight-{modality}" for modality in MODALITIES]
    return [f"weight-{modality}-{region}" for modality in MODALITIES for region in REGIONS]


def _repeated(count: int) -> list[str]:
    return [modality for modality in MODALITIES for _ in range(count // len(MODALITIES))]


def _array(values: Tensor) -> NDArray[Any]:
    return torch.as_tensor(values).numpy(force=True)
