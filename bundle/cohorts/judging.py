"""Judges cases where they are run, and gathers the judgements where the report is written."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from monai.engines import Evaluator

from bundle.cases.case_loader import LoadCased
from bundle.cases.case_record import CaseRecord
from bundle.cohorts.case_outcome import CaseOutcome, log_outcome
from bundle.cohorts.workers import EvaluatorRun, RunCase
from bundle.evaluation.judge import JudgedCase, judge_segmentation
from bundle.evaluation.predictions import find_prediction, read_prediction
from bundle.evaluation.reports.report import EvaluationReport
from bundle.evaluation.task_names import GIVEN
from bundle.evaluation.truths import load_truth
from bundle.tasks.default import DEFAULT_TASK
from bundle.tasks.task import Task

JUDGEMENT = "judgement"
"""Among the facts of a judged case, until it has been gathered; no JSON."""


@dataclass(frozen=True)
class Judgement:
    """What travels from where a case is judged to where the report is written.

    Attributes:
        judged: the case.
        facts: of what judged it, the same for all cases of a run.
    """

    judged: JudgedCase
    facts: Mapping[str, Any]


class JudgingRun(EvaluatorRun):
    """Runs an evaluator whose post-processing judges.

    Args:
        evaluator: leaves ``judged`` beside ``result``.
        preprocessing: reads and prepares a case.
        facts: of the network, for the report: this process has it, that of the report need not.
    """

    def __init__(
        self,
        evaluator: Evaluator,
        preprocessing: Callable[[Any], Any],
        facts: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(evaluator, preprocessing)
        self.facts = dict(facts or {})

    def facts_of(self, output: Mapping[str, Any]) -> dict[str, Any]:
        """Return the ``result`` of a case, with its `Judgement`."""
        return {**super().facts_of(output), JUDGEMENT: Judgement(output["judged"], self.facts)}


@dataclass(frozen=True)
class PredictionsJudged:
    """Makes what judges somebody's segmentations, in whichever process calls it.

    Attributes:
        predictions: folder of the label maps.
        numbering: that of the predictions.
        label_convention: numbering of the truth, or ``auto``.
        task: whose labels these are.
    """

    predictions: Path
    numbering: str
    label_convention: str
    task: Task

    def __call__(self) -> RunCase:
        """Make it."""
        load = LoadCased(with_label=True, label_convention=self.label_convention, task=self.task)
        return partial(self._judge, load)

    def _judge(self, load: LoadCased, case: dict[Any, Any]) -> dict[str, Any]:
        case_id, task = str(case["case_id"]), self.task
        path = find_prediction(self.predictions, case_id)
        if case["image"]:
            reference = load(case)
        else:
            reference = load_truth(case, load.declared_numbering(case), task=task)
        grid = CaseRecord.from_json(reference["record"]).grid
        values = read_prediction(
            path, case_id=case_id, grid=grid, numbering=self.numbering, task=task
        )
        judged, result = judge_segmentation(reference, values, GIVEN, task=task)
        return {**result, JUDGEMENT: Judgement(judged, {})}


class Gathering:
    """Adds every judged case to the report of the evaluation, and then reports its outcome.

    The judgement is taken out of the outcome: kept for all cases it would fill the memory.

    Args:
        evaluation: gets the judgements.
        report: called with every outcome; logs it if left out.
        task: of the cases.
    """

    def __init__(
        self,
        evaluation: EvaluationReport,
        report: Callable[[CaseOutcome], None] | None = None,
        task: Task = DEFAULT_TASK,
    ) -> None:
        self.evaluation = evaluation
        self.report = report or partial(log_outcome, task=task)

    def __call__(self, outcome: CaseOutcome) -> None:
        """Take an outcome."""
        judgement = (outcome.result or {}).pop(JUDGEMENT, None)
        if judgement is not None:
            self.evaluation.add(judgement.judged, judgement.facts)
        self.report(outcome)
