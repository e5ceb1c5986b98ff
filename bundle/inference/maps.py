"""Turns blended logits and gate weights into what a radiologist can read, on the patient's own
grid.
"""

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import torch
from monai.transforms import Transform
from monai.utils import convert_to_dst_type
from torch import Tensor

from bundle.cases.case_record import CaseRecord
from bundle.errors import CaseError
from bundle.mixture.mixing import binary_entropy
from bundle.tasks.modalities import MODALITIES
from bundle.tasks.regions import LABEL_NAMES, REGIONS, THRESHOLD, regions_to_labels
from bundle.tensors import plain_tensor

Box = tuple[slice, ...]

_COVERED = 0.5  # blended weights sum to 1 where a window was, and to 0 outside the brain's box


class ActivateMixtured(Transform):
    """Turn logits into probabilities and sum up the gate weights, still on the network's grid.

    Before the way back to the patient's grid, so that what is interpolated there is a probability,
    and what is padded is background.

    Args:
        weights_per_region: keep one weight map per modality and region instead of their mean.
    """

    def __init__(self, weights_per_region: bool = False) -> None:
        self.weights_per_region = weights_per_region

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Change ``pred`` from (R + M * R, ...) to (R + M, ...) or (R + M * R, ...); add
        ``mean_weights`` (M, R).
        """
        case = dict(data)
        pred: Tensor = case["pred"]  # keeps its metadata, by which it finds the way back
        n_regions = len(REGIONS)
        probabilities = torch.sigmoid(pred[:n_regions])
        weights = pred[n_regions:].reshape(len(MODALITIES), n_regions, *pred.shape[1:])
        brain = (plain_tensor(case["image"]) != 0).any(dim=0)
        case["mean_weights"] = _mean_over(plain_tensor(weights), brain)
        maps = weights.flatten(0, 1) if self.weights_per_region else weights.mean(dim=1)
        case["pred"] = torch.cat([probabilities, maps])
        return case


class SplitMapsd(Transform):
    """Make label map, entropy and weight maps of the probabilities that are back on the patient's
    grid.

    ``pred`` becomes the label map, the one output that MONAI Label and viewers take; ``entropy``,
    ``weights`` and ``result`` are added.

    Args:
        entropy_per_region: also keep one entropy map per region.
    """

    def __init__(self, entropy_per_region: bool = False) -> None:
        self.entropy_per_region = entropy_per_region

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Split the maps of one case.

        Args:
            data: ``pred`` (R + M, H, W, D) or (R + M * R, H, W, D), ``mean_weights``, ``record``.

        Returns:
            ``pred`` (1, H, W, D) uint8; ``entropy`` (1, H, W, D) or (1 + R, H, W, D) float32, bits,
            the largest over regions first; ``weights`` (M, H, W, D) or (M * R, H, W, D) float32,
            summing to 1 over the acquired modalities in every voxel; ``result``, plain JSON facts.

        Raises:
            CaseError: E_NOT_FINITE, the network gave something that is no number.
        """
        case = dict(data)
        record = CaseRecord.from_json(case["record"])
        maps = plain_tensor(case["pred"])
        mean_weights = plain_tensor(case.pop("mean_weights"))
        _check_finite(maps, mean_weights, record.case_id)
        box = _covered_box(maps[len(REGIONS) :])
        probabilities = maps[: len(REGIONS)][box].clamp(0.0, 1.0)
        label = _embed(_label(probabilities), maps.shape[1:], box)
        case["weights"] = _complete(maps[len(REGIONS) :], mean_weights, box)
        case["entropy"] = _embed(self._entropy(probabilities), maps.shape[1:], box)
        case["pred"] = convert_to_dst_type(label, case["pred"], dtype=torch.uint8)[0]
        case["result"] = _result(
            record, label[0].numpy(force=True), mean_weights, case["entropy"][0]
        )
        return case

    def _entropy(self, probabilities: Tensor) -> Tensor:
        regions = binary_entropy(probabilities)
        largest = regions.amax(dim=0, keepdim=True)
        return torch.cat([largest, regions]) if self.entropy_per_region else largest


def _check_finite(maps: Tensor, mean_weights: Tensor, case_id: str) -> None:
    """Refuse NaN here, where it is seen: below it would become background, with an entropy of 0."""
    if not (torch.isfinite(maps).all() and torch.isfinite(mean_weights).all()):
        raise CaseError(
            "E_NOT_FINITE",
            f"Case {case_id}: the network must give a number for every voxel; it did not. Look at"
            " the intensities of the images; with amp=true try amp=false, on a GPU --device cpu.",
        )


def _label(probabilities: Tensor) -> Tensor:
    return torch.from_numpy(regions_to_labels((probabilities > THRESHOLD).numpy(force=True)))[None]


def _mean_over(weights: Tensor, brain: Tensor) -> Tensor:
    """Average weights (M, R, H, W, D) over the brain, as (M, R)."""
    flat, inside = weights.flatten(2), brain.flatten()
    return flat[..., inside].mean(dim=2) if inside.any() else flat.mean(dim=2)


def _covered_box(weights: Tensor) -> Box:
    """Return the box in which windows were: a third of a BraTS case, and outside of it all maps are
    known.
    """
    covered = weights.sum(dim=0) > _COVERED
    spans = [slice(None)]
    for axis in range(3):
        others = sorted({0, 1, 2} - {axis})
        places = covered.any(dim=others[0]).any(dim=others[1] - 1).nonzero().flatten().tolist()
        spans.append(slice(places[0], places[-1] + 1) if places else slice(0, 0))
    return tuple(spans)


def _embed(part: Tensor, shape: torch.Size, box: Box) -> Tensor:
    whole = part.new_zeros((len(part), *shape))
    whole[box] = part
    return whole


def _complete(weights: Tensor, mean_weights: Tensor, box: Box) -> Tensor:
    """Make weights sum to 1 in every voxel; voxels that no window covered get the case's mean."""
    per_region = len(weights) == mean_weights.numel()
    means = (mean_weights if per_region else mean_weights.mean(dim=1, keepdim=True)).to(weights)
    fallback = means[..., None, None, None]
    groups = weights[box].reshape(*means.shape, *weights[box].shape[1:]).clamp(min=0.0)
    total = groups.sum(dim=0, keepdim=True)
    inside = torch.where(total > _COVERED, groups / total.clamp(min=_COVERED), fallback)
    whole = fallback.expand(*means.shape, *weights.shape[1:]).flatten(0, 1).clone()
    whole[box] = inside.flatten(0, 1)
    return whole


def _result(
    record: CaseRecord, label: np.ndarray, mean_weights: Tensor, entropy: Tensor
) -> dict[str, Any]:
    voxel_ml = abs(float(np.linalg.det(record.grid.affine[:3, :3]))) / 1000
    counts = np.bincount(label.ravel(), minlength=len(LABEL_NAMES))
    volumes = {
        name: round(float(counts[value] * voxel_ml), 3)
        for value, name in LABEL_NAMES.items()
        if value
    }
    means = {
        modality: {region: round(float(mean_weights[m, r]), 4) for r, region in enumerate(REGIONS)}
        for m, modality in enumerate(MODALITIES)
        if modality in record.modalities
    }
    tumour = torch.from_numpy(label > 0)
    return {
        "case_id": record.case_id,
        "modalities": list(record.modalities),
        "missing": list(record.missing),
        "volumes_ml": volumes,
        "mean_weights": means,
        "mean_entropy_in_tumour": round(float(entropy[tumour].mean()), 4) if tumour.any() else None,
        "warnings": list(record.warnings),
    }
