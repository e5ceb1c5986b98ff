"""Turns blended logits and gate weights into what a radiologist can read, on the patient's own
grid.
"""

import math
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import torch
from monai.transforms import Transform
from monai.utils import convert_to_dst_type
from torch import Tensor

from bundle.cases.case_record import CaseRecord
from bundle.errors import CaseError
from bundle.inference.contributions import (
    PARTS,
    chosen_contributions,
    decided_by,
    mean_shares,
    shares_of_voxels,
)
from bundle.inference.map_facts import (
    ONE_ALONE,
    interval_facts,
    map_facts,
    voxel_ml,
    without_facts,
)
from bundle.inference.placement import Box, Placement, whole_volume
from bundle.inference.way_back import PLACEMENT
from bundle.mixture.mixing import binary_entropy
from bundle.tasks.contributions import Contributions
from bundle.tasks.default import DEFAULT_TASK
from bundle.tasks.task import THRESHOLD, Task
from bundle.tensors import plain_tensor
from bundle.weights.calibration import Calibration

WITHOUT, ENTROPIES_WITHOUT = "volumes_without", "entropies_without"
_COVERED = 0.5  # blended weights sum to 1 where a window was, and to 0 outside the image's box


class ActivateMixtured(Transform):
    """Turn logits into probabilities, still on the network's grid.

    Before the way back to the patient's grid, so that what is interpolated there is a probability,
    and what is padded is background.

    Args:
        calibration: of the network's probabilities; None for none.
        task: of the network.
    """

    def __init__(self, calibration: Calibration | None = None, task: Task = DEFAULT_TASK) -> None:
        self.calibration = calibration
        self.task = task

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Replace ``pred`` by maps that can be brought to another grid.

        Args:
            data: ``record``; ``pred``, what ``MixtureInferer`` gives, for one case: ``logits`` (R,
                H, W, D), ``weights`` (M, R, H, W, D), or (M, 1, H, W, D) means over the regions,
                ``mean_weights`` (M, R), and perhaps ``counts_without`` (M, L) and ``parts`` (M, R,
                H, W, D).

        Returns:
            ``probabilities`` (R, H, W, D); ``weights`` (M, H, W, D), or (M * R, H, W, D) with
            modalities outermost; both keep their metadata, by which they find the way back.
            ``mean_weights`` (M, R), as they were; ``volumes_without`` (M, L) in ml and
            ``entropies_without`` (M,), where there were counts; ``parts`` (M * R, H, W, D), where
            there were any.
        """
        case = dict(data)
        pred = case.pop("pred")
        weights: Tensor = pred["weights"]
        if "counts_without" in pred:
            affine = getattr(pred["logits"], "affine", torch.eye(4))  # 1 mm where nobody says
            case[WITHOUT] = pred["counts_without"] * voxel_ml(affine)
            case[ENTROPIES_WITHOUT] = pred["entropies_without"]
        if PARTS in pred:
            case[PARTS] = pred[PARTS].flatten(0, 1)
        case["mean_weights"] = pred["mean_weights"]
        logits: Tensor = pred["logits"]
        if self.calibration is not None:
            n_acquired = len(CaseRecord.from_json(case["record"]).modalities)
            logits = self.calibration.scaled(logits, n_acquired, self.task)
        case["probabilities"] = torch.sigmoid(logits)
        case["weights"] = weights.flatten(0, 1)
        return case


class SplitMapsd(Transform):
    """Make label map, entropy and weight maps of the probabilities, on the patient's grid.

    ``pred`` is the label map, the one output that MONAI Label and viewers take.

    Args:
        entropy_per_region: also keep one entropy map per region.
        task: its regions make up the labels.
        keep_probabilities_for: who needs the regions' probabilities; None drops them.
        contributions: which maps of what each modality contributed are made, where ``parts`` are.
        calibration: whose margins tell the intervals of the regions' volumes; None for none.
    """

    def __init__(
        self,
        entropy_per_region: bool = False,
        task: Task = DEFAULT_TASK,
        *,
        keep_probabilities_for: str | None = None,
        contributions: str = Contributions.none,
        calibration: Calibration | None = None,
    ) -> None:
        self.entropy_per_region = entropy_per_region
        self.task = task
        self.keep_probabilities = keep_probabilities_for is not None
        self.contributions = chosen_contributions(contributions)
        self.calibration = calibration

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Split the maps of one case.

        Args:
            data: ``probabilities``, ``weights``, ``mean_weights`` and, to tell contributions,
                ``parts`` of ``ActivateMixtured``; ``record``. Maps are on the patient's grid
                already, or in the box that ``placement`` of ``way_back.ToInputGridd`` tells.

        Returns:
            ``pred`` (1, H, W, D) uint8; ``entropy`` (1, H, W, D) or (1 + R, H, W, D) float32, bits,
            the largest over regions first; ``weights`` (M, H, W, D) or (M * R, H, W, D) float32,
            summing to 1 over the acquired modalities in every voxel; ``result``, plain JSON facts;
            ``probabilities`` (R, H, W, D) float32, if they are kept; ``contributions`` (M, H, W, D)
            or (M * R, H, W, D) float32 and ``decided_by`` (1, H, W, D) uint8, see
            ``contributions.shares_of_voxels`` and ``decided_by``, if they are made.

        Raises:
            CaseError: E_NOT_FINITE, the network gave something that is no number.
        """
        case = dict(data)
        record = CaseRecord.from_json(case["record"])
        grid = case.pop("probabilities")
        maps, weights = plain_tensor(grid), plain_tensor(case["weights"])
        mean_weights = plain_tensor(case.pop("mean_weights"))
        _check_finite((maps, weights, mean_weights), record.case_id)
        parts = plain_tensor(case.pop(PARTS)) if PARTS in case else None
        place: Placement | None = case.pop(PLACEMENT, None)
        if place is None:
            box = _covered_box(weights)
            maps, weights = maps[box].clamp(0.0, 1.0), weights[box]  # interpolation may overshoot
            parts = None if parts is None else parts[box]
            place = whole_volume(grid.shape[1:]).within(box[1:])
        without = case.pop(WITHOUT, None)
        label, entropy = self._label(maps), self._entropy(maps)
        shares, means = _complete(weights, mean_weights)
        case["weights"] = place.embed(shares, means)
        case["entropy"] = place.embed(entropy)
        if self.keep_probabilities:
            case["probabilities"] = place.embed(maps)
        case["pred"] = convert_to_dst_type(place.embed(label), grid, dtype=torch.uint8)[0]
        result = {
            **map_facts(record, label[0].numpy(), mean_weights, entropy[0].cpu(), self.task),
            **interval_facts(record, maps, self.calibration, self.task),
        }
        if parts is not None and self.contributions != Contributions.none:
            of_regions = parts.reshape(len(mean_weights), -1, *parts.shape[1:])
            case["contributions"] = place.embed(shares_of_voxels(of_regions, self.contributions))
            case["decided_by"] = place.embed(decided_by(of_regions, label[0])[None])
            result["contributions"] = mean_shares(of_regions, self.task)
        if without is not None:
            entropies = plain_tensor(case.pop(ENTROPIES_WITHOUT))
            volumes = plain_tensor(without).tolist()
            result |= without_facts(volumes, entropies.tolist(), self.task)
            if not result["volumes_without_ml"]:
                result["warnings"].append(ONE_ALONE)
        case["result"] = result
        return case

    def _label(self, probabilities: Tensor) -> Tensor:
        """Merge regions (R, H, W, D) into labels (1, H, W, D)."""
        inside = (probabilities > THRESHOLD).numpy(force=True)
        return torch.from_numpy(self.task.regions_to_labels(inside))[None]

    def _entropy(self, probabilities: Tensor) -> Tensor:
        largest = _entropy_below_half(0.5 - _from_even(probabilities))  # of the least sure region
        if not self.entropy_per_region:
            return largest
        return torch.cat([largest, binary_entropy(probabilities)])


def _check_finite(parts: Sequence[Tensor], case_id: str) -> None:
    """Refuse NaN here, where it is seen: below it would become background, with an entropy of 0."""
    # The sum is not finite if a part is not, and no map is large enough to make it so.
    if not all(torch.isfinite(part.sum()) for part in parts):
        raise CaseError(
            "E_NOT_FINITE",
            f"Case {case_id}: the network must give a number for every voxel; it did not. Look at"
            " the intensities of the images; with amp=true try amp=false, on a GPU --device cpu.",
        )


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


def _from_even(probabilities: Tensor) -> Tensor:
    """Return how far the nearest of probabilities (R, ...) is from 0.5, as (1, ...)."""
    nearest = (probabilities[:1] - 0.5).abs_()
    for region in probabilities[1:]:
        torch.minimum(nearest, (region - 0.5).abs_(), out=nearest)
    return nearest


def _entropy_below_half(p: Tensor) -> Tensor:
    """Do what ``binary_entropy`` does for probabilities in [0, 0.5], in less time."""
    sure = torch.finfo(p.dtype).tiny
    rest = 1 - p
    nats = p.clamp(min=sure).log_().mul_(p).add_(rest.log().mul_(rest))
    return nats.div_(-math.log(2.0)).abs_()


def _complete(weights: Tensor, mean_weights: Tensor) -> tuple[Tensor, Tensor]:
    """Make weights sum to 1 in every voxel; voxels that no window covered get the case's mean.

    Returns:
        Weights of the same shape, and what they are outside of their box, one number per map.
    """
    n_maps = len(weights) // len(mean_weights)  # of each modality: one, or R
    of_modalities = weights.reshape(len(mean_weights), n_maps, *weights.shape[1:])
    if n_maps == 1:
        mean_weights = mean_weights.mean(dim=1, keepdim=True)
    means = mean_weights.to(weights)
    groups = of_modalities.clamp(min=0.0)
    total = groups.sum(dim=0, keepdim=True)
    covered = total > _COVERED
    shares = groups.div_(total.clamp_(min=_COVERED))
    if not covered.all():
        shares = torch.where(covered, shares, means[..., None, None, None])
    return shares.flatten(0, 1), means.flatten().cpu()
