"""Judges networks, and segmentations of other origin, on many labelled cases."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from bundle.cohorts.case_outcome import CaseOutcome, judged_columns
from bundle.cohorts.engines import CohortEngine
from bundle.cohorts.judging import Gathering, PredictionsJudged
from bundle.cohorts.runner import CaseRunner, exit_if_failed
from bundle.cohorts.workers import ConfigRun
from bundle.config_files import find_overlay
from bundle.configuration import load_config
from bundle.datasets.labelled_cases import cases_to_judge
from bundle.errors import UsageError
from bundle.evaluation.predictions import check_predictions
from bundle.evaluation.reports.report import EvaluationReport
from bundle.evaluation.truths import is_folder_of_truths, list_truths
from bundle.files.atomic_file import check_writable
from bundle.outputs.run_files import OK
from bundle.plain_text import printable
from bundle.tasks.default import DEFAULT_TASK
from bundle.tasks.task import Task

CONFIG = "evaluate.yaml"

Report = Callable[[CaseOutcome], None]


def evaluate_network(
    out: Path,
    settings: Mapping[str, Any],
    *,
    overlays: Sequence[str] = (),
    report: Report | None = None,
    engine: CohortEngine | None = None,
) -> list[CaseOutcome]:
    """Judge a network on labelled cases from every set of their modalities, and write the report.

    Args:
        out: made if it is not there.
        settings: settings of ``configs/evaluate.yaml`` to replace, above all ``dataset_dir`` and
            ``checkpoint``.
        overlays: configs that were merged over those of the training, such as the ablations.
        report: called with every outcome as soon as it is known.
        engine: runs the cases; one after the other in this process if left out.

    Raises:
        SetupError: weights or settings are unusable; no case was started.
        OutputError: ``out`` cannot be written; no case was started.
        UsageError: the data have no labelled cases, or none could be judged.
    """
    check_writable(out)
    values, merged = {**settings, "output_dir": out}, tuple(map(find_overlay, overlays))
    # The network is loaded where cases are run, which need not be in this process.
    parts = {"make_run": ConfigRun(CONFIG, values, merged, trained_with=True)}
    parser = load_config(CONFIG, {**values, **parts}, merged, trained_with=True)
    evaluation: EvaluationReport = parser.get_parsed_content("evaluation_report")
    runner: CaseRunner = parser.get_parsed_content("case_runner")
    if engine is not None:
        runner.engine = engine
    if report is not None:
        runner.report = Gathering(evaluation, report)
    return _run(runner, evaluation)


def evaluate_predictions(
    cases: Sequence[dict[str, Any]],
    predictions: Path,
    out: Path,
    *,
    numbering: str | None = None,
    label_convention: str = "auto",
    empty: str = "skip",
    report: Report | None = None,
    engine: CohortEngine | None = None,
    task: Task = DEFAULT_TASK,
) -> list[CaseOutcome]:
    """Judge segmentations that somebody else made, one per labelled case, and write the report.

    Args:
        cases: labelled cases, of ``judged_cases``.
        predictions: folder of the label maps.
        out: made if it is not there.
        numbering: that of the predictions, one of the task's; None for the one that is written.
        label_convention: numbering of the truth, or ``auto``.
        empty: ``skip`` or ``one``.
        report: called with every outcome as soon as it is known.
        engine: runs the cases; one after the other in this process if left out.
        task: whose labels these are.

    Raises:
        OutputError: ``out`` cannot be written; no case was started.
        UsageError: there are no predictions, or none could be judged.
    """
    check_predictions(predictions)
    declared = numbering or task.default_numbering.name
    facts = {"predictions": printable(str(predictions)), "convention": declared}
    judged = EvaluationReport(out, empty=empty, facts=facts, task=task)
    runner = CaseRunner(
        PredictionsJudged(predictions, declared, label_convention, task),
        cases,
        out,
        engine=engine,
        report=Gathering(judged, report, task),
        columns=judged_columns(task),
        task=task,
    )
    return _run(runner, judged)


def judged_cases(
    source: Path, patterns: Mapping[str, str] | None = None, *, task: Task = DEFAULT_TASK
) -> tuple[dict[str, Any], ...]:
    """List the cases whose predictions can be judged: labelled ones, of any layout, with or without
    images.

    A folder of nothing but label maps is one of truths, each named after its case.

    Args:
        source: that, or anything that ``list_cases`` takes.
        patterns: as ``list_cases`` takes them.
        task: whose modalities the names of files may say.

    Raises:
        UsageError: no case has a label, or the data set is malformed.
    """
    root = source.expanduser()
    if is_folder_of_truths(root, task=task):
        return list_truths(root)
    return cases_to_judge(root, patterns, need_images=False, task=task)


def finish(report: EvaluationReport, outcomes: Sequence[CaseOutcome]) -> None:
    """End a bundle run: write the report, and end the program with status 1 if a case failed."""
    _write(report, outcomes)
    exit_if_failed(outcomes)


def _run(runner: CaseRunner, report: EvaluationReport) -> list[CaseOutcome]:
    outcomes = runner.run()
    _write(report, outcomes)
    return outcomes


def _write(report: EvaluationReport, outcomes: Sequence[CaseOutcome]) -> None:
    if all(outcome.status != OK for outcome in outcomes):
        first = f"{outcomes[0].case_id}: {outcomes[0].reason}" if outcomes else "no case"
        raise UsageError(
            "E_NO_SCORES", f"At least one case must be judged; all failed, the first: {first}"
        )
    report.write()
