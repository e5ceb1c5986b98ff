"""Compares the predictions of a case with its truth, on the grid of its files."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import compress
from typing import Any

import numpy as np
import torch
from monai.data import MetaTensor
from monai.transforms import Transform
from monai.utils import convert_to_dst_type
from numpy.typing import NDArray
from torch import Tensor

from bundle.cases.case_record import CaseRecord
from bundle.evaluation.case_slices import CaseSlice, worst_slice
from bundle.evaluation.metrics import DICE, PROBABILITY_METRICS, TRUE_VOLUME, weight_name
from bundle.evaluation.probability_histogram import ProbabilityHistogram
from bundle.evaluation.region_metrics import region_metrics
from bundle.evaluation.region_pair import box_of
from bundle.evaluation.score_table import Score
from bundle.evaluation.task_names import TaskNames
from bundle.tasks.default import DEFAULT_TASK
from bundle.tasks.task import THRESHOLD, Task
from bundle.tensors import plain_tensor
from bundle.volumes.geometry import spacing_mm
from bundle.weights.calibration import Calibration

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
    """Judge every modality set of a case.

    ``pred`` is replaced by ``judged``, and ``result`` is added.

    Set by set, so that no more than one of them is ever on the larger grid of the files.

    Args:
        to_input_grid: MONAI's ``Invertd`` for ``pred`` by ``image``.
        task: whose modalities and regions these are.
        calibration: of the network's probabilities; None for none.
    """

    def __init__(
        self,
        to_input_grid: Callable[[dict[str, Any]], dict[str, Any]],
        task: Task = DEFAULT_TASK,
        *,
        calibration: Calibration | None = None,
    ) -> None:
        self.to_input_grid = to_input_grid
        self.task = task
        self.calibration = calibration
        self._names = TaskNames.of(task)

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
        predictions, image = case.pop("pred"), case.pop("image")
        whole_truth = _numpy(case.pop("label")).astype(bool)
        record = CaseRecord.from_json(case["record"])
        voxels = _numpy(self._restored(image, image))
        inside = _inside(voxels, self.task)
        seen = _numpy(self._restored(torch.ones_like(plain_tensor(image)[:1]), image))[0] != 0
        box = box_of(seen | inside | whole_truth.any(axis=0))  # beyond, all probabilities are 0
        truth, inside = _cut(whole_truth, box), _cut(inside, box)
        scores: list[Score] = []
        histograms: Histograms = {}
        parts = (predictions["sets"], predictions["logits"], predictions["weights"])
        for flags, logits, weights in zip(*parts, strict=True):
            said = plain_tensor(logits)
            if self.calibration is not None:
                said = self.calibration.scaled(said, int(flags.sum()), self.task)
            restored = self._restored(torch.sigmoid(said), image)
            probabilities = _cut(_numpy(restored), box)
            predicted = nested_regions(probabilities > THRESHOLD, self.task)
            modalities = list(compress(self._names.modalities, flags.tolist()))
            modality_set = self._names.set_name(modalities)
            judged = _Judged(self.task, record, modality_set, predicted, truth)
            scores += judged.overlaps() + judged.weights(weights, modalities)
            found = {}
            for index, region in enumerate(self.task.region_names):
                found[region] = ProbabilityHistogram.of(probabilities[index], truth[index], inside)
                histograms[modality_set, region] = found[region]
            scores += judged.calibration(found)
        whole = np.zeros_like(whole_truth)
        whole[:, *box] = judged.predicted
        worst = replace(judged, predicted=whole, truth=whole_truth).worst(voxels, scores)
        case["judged"] = JudgedCase(record.case_id, tuple(scores), histograms, worst)
        case["result"] = judged.facts(scores)
        return case

    def _restored(self, values: Tensor, image: MetaTensor) -> Tensor:
        """Bring values from the network's grid to that of the files."""
        restored: Tensor = self.to_input_grid(
            {"pred": convert_to_dst_type(values, image)[0], "image": image}
        )["pred"]
        return restored


def judge_segmentation(
    case: Mapping[Hashable, Any],
    values: NDArray[np.integer],
    modality_set: str,
    *,
    task: Task = DEFAULT_TASK,
) -> tuple[JudgedCase, dict[str, Any]]:
    """Judge a label map of which nothing but the voxels is known.

    Args:
        case: ``image``, ``label`` and ``record`` as loaded, on the grid of the files.
        values: (H, W, D), values of the task's labels, on that grid.
        modality_set: name for what the map was made from.
        task: whose labels these are.

    Returns:
        The judgement, and plain JSON facts.
    """
    record = CaseRecord.from_json(case["record"])
    predicted = task.labels_to_regions(values).astype(bool)
    truth = _numpy(case["label"]).astype(bool)
    judged = _Judged(task, record, modality_set, predicted, truth)
    scores = judged.overlaps()
    worst = judged.worst(_numpy(case["image"]), scores)
    return JudgedCase(record.case_id, tuple(scores), {}, worst), judged.facts(scores)


def nested_regions(regions: NDArray[np.bool_], task: Task) -> NDArray[np.bool_]:
    """Make regions (R, H, W, D) what they are once they were written as a label map: each within
    those that hold it.
    """
    return task.labels_to_regions(task.regions_to_labels(regions)).astype(bool)


@dataclass(frozen=True)
class _Judged:
    """One prediction of one case, regions (R, H, W, D), or of a box that has all of them."""

    task: Task
    record: CaseRecord
    modality_set: str
    predicted: NDArray[np.bool_]
    truth: NDArray[np.bool_]

    def overlaps(self) -> list[Score]:
        spacing = spacing_mm(self.record.grid.affine)
        spacing_xyz = (spacing[0], spacing[1], spacing[2])
        metrics = region_metrics(
            self.predicted,
            self.truth,
            spacing_xyz,
            task=self.task,
            grid_shape=self.record.grid.shape,
        )
        scores = []
        for region, found in metrics.items():
            scores += [self._score(region, metric, value) for metric, value in found.items()]
        return scores

    def calibration(self, histograms: Mapping[str, ProbabilityHistogram]) -> list[Score]:
        scores = []
        for region, histogram in histograms.items():
            for metric in PROBABILITY_METRICS:
                assert metric.of_probabilities is not None
                value = metric.of_probabilities(histogram)
                scores.append(self._score(region, metric.name, value))
        return scores

    def weights(self, weights: Tensor, present: Sequence[str]) -> list[Score]:
        """Return the gate's mean weights (M, R) of the modalities of the set."""
        scores = []
        for modality in present:
            of_regions = weights[self.task.modality_names.index(modality)].tolist()
            for region, weight in zip(self.task.region_names, of_regions, strict=True):
                scores.append(self._score(region, weight_name(modality), weight))
        return scores

    def worst(self, image: NDArray[np.float32], scores: Sequence[Score]) -> CaseSlice:
        dice = list(self._dice(scores).values())
        return worst_slice(
            self.record.case_id,
            image,
            self.predicted,
            self.truth,
            score=float(np.mean(dice)) if dice else float(not self.predicted.any()),
            affine=self.record.grid.affine,
            task=self.task,
        )

    def facts(self, scores: Sequence[Score]) -> dict[str, Any]:
        return {
            "modalities": list(self.task.in_order(self.record.inputs)),
            "dice": self._dice(scores),
            "warnings": list(self.record.warnings),
        }

    def _dice(self, scores: Sequence[Score]) -> dict[str, float]:
        """Return the Dice of the regions that the truth has."""
        of_set = [score for score in scores if score.modality_set == self.modality_set]
        true_ml = {s.region: s.value for s in of_set if s.metric == TRUE_VOLUME.name}
        return {
            score.region: round(score.value, 4)
            for score in of_set
            if score.metric == DICE.name and true_ml[score.region] > 0
        }

    def _score(self, region: str, metric: str, value: float) -> Score:
        return Score(self.record.case_id, self.modality_set, region, metric, value)


def _inside(image: NDArray[np.float32], task: Task) -> NDArray[np.bool_]:
    """Return (H, W, D), where an image (M, H, W, D) has something.

    Outside, prepared images are 0.
    """
    inside: NDArray[np.bool_] = (image != 0).any(axis=0)
    return np.ones_like(inside) if task.outside is None else inside


def _cut(values: NDArray[Any], box: tuple[slice, ...]) -> NDArray[Any]:
    """Cut a box out of the last axes, in one piece of memory: it is read many times."""
    index: tuple[Any, ...] = (..., *box)
    return np.ascontiguousarray(values[index])


def _numpy(values: Tensor) -> NDArray[Any]:
    array: NDArray[Any] = plain_tensor(values).numpy(force=True)
    return array
