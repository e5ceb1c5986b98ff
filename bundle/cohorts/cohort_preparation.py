"""Prepares many exams, alone or on the way to their segmentation."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bundle.cases.prepared_exam import PreparedExam
from bundle.cohorts.case_outcome import CaseOutcome, preparation_columns
from bundle.cohorts.phases import PhasedRun, Rest, in_phases
from bundle.cohorts.runner import CaseRunner
from bundle.cohorts.workers import RunCase
from bundle.files.atomic_file import check_writable
from bundle.preparing.options import PrepareOptions
from bundle.tasks.task import Task

if TYPE_CHECKING:
    from bundle.preparing.preparer import Preparer

FOLDER = "prepared"
"""Of a case, beside its results: the images that were segmented."""


def prepare_cases(
    cases: Sequence[dict[str, Any]],
    out: Path,
    options: PrepareOptions,
    *,
    task: Task,
    report: Callable[[CaseOutcome], None] | None = None,
) -> list[CaseOutcome]:
    """Prepare cases, writing ``OUT/CASE/CASE-MODALITY.nii.gz`` and ``OUT/cases.csv``.

    Args:
        cases: from ``list_cases`` or ``study_cases``.
        out: made if it is not there.
        options: the same for all.
        task: whose modalities cases have.
        report: called with every outcome as soon as it is known.

    Raises:
        OutputError: ``out`` cannot be written; no case was started.
    """
    check_writable(out)
    runner = CaseRunner(
        PreparationOnly(options, task, out),
        cases,
        out,
        report=report,
        columns=preparation_columns(),
        task=task,
    )
    return runner.run()


@dataclass(frozen=True)
class PreparationOnly:
    """Makes what prepares a case, in whichever process calls it.

    Attributes:
        options: the same for all cases.
        task: whose modalities cases have.
        out: holds a folder per case.
    """

    options: PrepareOptions
    task: Task
    out: Path

    def __call__(self) -> RunCase:
        """Make it."""
        preparer = _preparer(self.options, self.task)

        def run(case: Mapping[str, Any]) -> dict[str, Any]:
            exam = preparer.prepare(case, self.out / str(case["case_id"]))
            return preparation_facts(exam)

        return run


@dataclass(frozen=True)
class PreparedFirst:
    """Makes what prepares a case and then runs it, in whichever process calls it.

    Attributes:
        make_run: makes what runs prepared cases.
        options: the same for all cases.
        task: whose modalities cases have.
        out: holds a folder per case, in which the prepared images are kept.
    """

    make_run: Callable[[], RunCase]
    options: PrepareOptions
    task: Task
    out: Path

    def __call__(self) -> RunCase:
        """Make it."""
        return _PreparedRun(
            in_phases(self.make_run()), _preparer(self.options, self.task), self.out
        )


@dataclass(frozen=True)
class _PreparedRun:
    """Prepares a case while it is read, see ``phases.PhasedRun``."""

    run_prepared: PhasedRun
    preparer: "Preparer"
    out: Path

    def __call__(self, case: Mapping[str, Any]) -> dict[str, Any]:
        return self.compute(self.read(case))()

    def read(self, case: Mapping[str, Any]) -> Any:
        case_id = str(case["case_id"])
        folder = self.out / case_id / FOLDER
        exam = self.preparer.prepare(case, folder)
        image = {name: folder / f"{case_id}-{name}.nii.gz" for name in exam.modalities}
        return self.run_prepared.read({"case_id": case_id, "image": image})

    def compute(self, read: Any) -> Rest:
        return self.run_prepared.compute(read)


def _preparer(options: PrepareOptions, task: Task) -> "Preparer":
    # Loads SimpleITK, which takes a while, and which cases that are prepared do without.
    from bundle.preparing.preparer import Preparer

    return Preparer(options, task)


def preparation_facts(exam: PreparedExam) -> dict[str, Any]:
    """Return what a table of prepared cases tells."""
    return {
        "modalities": list(exam.modalities),
        "reference": exam.reference,
        "brain_by": exam.brain_by,
        "warnings": list(exam.warnings),
    }
