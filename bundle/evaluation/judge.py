"""Compares the predictions of a case with its truth, on the grid of its files."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from monai.data import MetaTensor
from monai.transforms import Transform
from monai.utils import convert_to_dst_type
from numpy.typing import NDArray
from torch import Tensor

from bundle.cases.case_record import CaseRecord
from bundle.cases.preparation import plain_tensor
from bundle.evaluation.case_slices import CaseSlice, worst_slice
from bundle.evaluation.probability_histogram import ProbabilityHistogram
from bundle.evaluation.region_metrics import region_metrics
from bundle.evaluation.score_table import Score, set_name
from bundle.tasks.modalities import MODALITIES
from bundle.tasks.regions import REGIONS, THRESHOLD, labels_to_regions, regions_to_labels
from bundle.volumes.geometry import spacing_mm

Histograms = dict[tuple[str, str], ProbabilityHistogram]


@dataclass(frozen=True)
class JudgedCase:
    """What is known about the quality of a case's predictions.

    Attributes:
        case: name of the case.
        scores: per modality set, region and metric.
        histograms: of the probabilities in the brain, by set and region; none for a bare
            segmentation.
        worst: the slice with most errors, from the largest set.
    """

    case: str
    scores: tuple[Score, ...]
    histograms: Histograms
    worst: CaseSlice


class JudgeSetsd(Transform):
    """Judge every modality set of a case; ``pred`` is replaced by ``judged``, and ``result`` is
    added.

    Set by set, so that no more than one of them is ever on the larger grid of the files.

    Args:
        to_input_grid: MONAI's ``Invertd`` for ``pred`` by ``image``.
    """

    def __init__(self, to_input_grid: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
        self.to_input_grid = to_input_grid

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Judge one case.

        Args:
            data: ``pred``, what ``SetInferer`` gives, for one case; ``image`` (M, H, W, D),
                preprocessed; ``label`` (R, H, W, D) and ``record`` on the grid of the files.

        Returns:
            ``judged``, a `JudgedCase`, and ``result``, plain JSON facts, instead of ``pred``,
            ``image`` and ``label``.
        """
        case = dict(data)
        predictions, image, truth = (
            case.pop("pred"),
            case.pop("image"),
            _numpy(case.pop("label")).astype(bool),
        )
        record = CaseRecord.from_json(case["record"])
        voxels = _numpy(self._restored(image, image))
        brain = (voxels != 0).any(axis=0)
        scores: list[Score] = []
        histograms: Histograms = {}
        for chosen, logits, weights in zip(
            *(predictions[key] for key in ("sets", "logits", "weights")), strict=True
        ):
            probabilities = _numpy(self._restored(torch.sigmoid(plain_tensor(logits)), image))
            predicted = nested_regions(probabilities > THRESHOLD)
            judged = _Judged(record, set_name(_names(chosen)), predicted, truth)
            scores += judged.overlaps() + judged.weights(weights, _names(chosen))
            found = {
                r: ProbabilityHistogram.of(probabilities[i], truth[i], brain)
                for i, r in enumerate(REGIONS)
            }
            scores += judged.calibration(found)
            histograms |= {
                (judged.modality_set, region): histogram for region, histogram in found.items()
            }
        case["judged"] = JudgedCase(
            record.case_id, tuple(scores), histograms, judged.worst(voxels, scores)
        )
        case["result"] = _facts(record, scores, judged.modality_set)
        return case

    def _restored(self, values: Tensor, image: MetaTensor) -> Tensor:
        """Bring values from the network's grid to that of the files."""
        restored: Tensor = self.to_input_grid(
            {"pred": convert_to_dst_type(values, image)[0], "image": image}
        )["pred"]
        return restored


def judge_segmentation(
    case: Mapping[Hashable, Any], values: NDArray[np.integer], modality_set: str
) -> tuple[JudgedCase, dict[str, Any]]:
    """Judge a label map of which nothing but the voxels is known.

    Args:
        case: ``image``, ``label`` and ``record`` as loaded, on the grid of the files.
        values: (H, W, D), values of ``regions.LABEL_NAMES``, on that grid.
        modality_set: name for what the map was made from.

    Returns:
        The judgement, and plain JSON facts.
    """
    record = CaseRecord.from_json(case["record"])
    judged = _Judged(
        record,
        modality_set,
        labels_to_regions(values).astype(bool),
        _numpy(case["label"]).astype(bool),
    )
    scores = judged.overlaps()
    worst = judged.worst(_numpy(case["image"]), scores)
    return JudgedCase(record.case_id, tuple(scores), {}, worst), _facts(
        record, scores, modality_set
    )


def nested_regions(regions: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Make regions (R, H, W, D) what they are once they were written as a label map: ET within TC
    within WT.
    """
    return labels_to_regions(regions_to_labels(regions)).astype(bool)


@dataclass(frozen=True)
class _Judged:
    """One prediction of one case, regions (R, H, W, D)."""

    record: CaseRecord
    modality_set: str
    predicted: NDArray[np.bool_]
    truth: NDArray[np.bool_]

    def overlaps(self) -> list[Score]:
        spacing = spacing_mm(self.record.grid.affine)
        metrics = region_metrics(self.predicted, self.truth, (spacing[0], spacing[1], spacing[2]))
        return [
            self._score(r, metric, value)
            for r, found in metrics.items()
            for metric, value in found.items()
        ]

    def calibration(self, histograms: Mapping[str, ProbabilityHistogram]) -> list[Score]:
        return [
            self._score(region, metric, value)
            for region, histogram in histograms.items()
            for metric, value in (
                ("ece", histogram.expected_calibration_error()),
                ("sce", histogram.static_calibration_error()),
                ("entropy_auroc", histogram.entropy_auroc()),
                ("confidence", histogram.mean_probability_of_truth()),
            )
        ]

    def weights(self, weights: Tensor, present: Sequence[str]) -> list[Score]:
        """Return the gate's mean weights (M, R) of the modalities of the set."""
        return [
            self._score(region, f"weight_{name}", float(weights[MODALITIES.index(name), index]))
            for name in present
            for index, region in enumerate(REGIONS)
        ]

    def worst(self, image: NDArray[np.float32], scores: Sequence[Score]) -> CaseSlice:
        dice = list(_dice(scores, self.modality_set).values())
        mean = float(np.mean(dice)) if dice else float(not self.predicted.any())
        name, affine = self.record.case_id, self.record.grid.affine
        return worst_slice(name, image, self.truth, self.predicted, score=mean, affine=affine)

    def _score(self, region: str, metric: str, value: float) -> Score:
        return Score(self.record.case_id, self.modality_set, region, metric, value)


def _facts(record: CaseRecord, scores: Sequence[Score], modality_set: str) -> dict[str, Any]:
    return {
        "modalities": list(record.modalities),
        "dice": _dice(scores, modality_set),
        "warnings": list(record.warnings),
    }


def _dice(scores: Sequence[Score], modality_set: str) -> dict[str, float]:
    """Return the Dice of the regions that the truth has."""
    of_set = [score for score in scores if score.modality_set == modality_set]
    there = {score.region for score in of_set if score.metric == "truth_ml" and score.value > 0}
    return {s.region: round(s.value, 4) for s in of_set if s.metric == "dice" and s.region in there}


def _names(flags: Tensor) -> list[str]:
    return [name for name, flag in zip(MODALITIES, flags.tolist(), strict=True) if flag]


def _numpy(values: Tensor) -> NDArray[Any]:
    array: NDArray[Any] = plain_tensor(values).numpy(force=True)
    return array
