"""Prepares many exams, alone or on the way to their segmentation."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bundle import __version__
from bundle.cases.prepared_exam import PreparedExam
from bundle.cohorts.batch_rules import BatchRules
from bundle.cohorts.case_outcome import CaseOutcome, preparation_columns
from bundle.cohorts.engines import CohortEngine
from bundle.cohorts.phases import PhasedRun, Rest, in_phases
from bundle.cohorts.runner import CaseRunner, FindDone
from bundle.cohorts.workers import RunCase
from bundle.files.atomic_file import check_writable
from bundle.names.case_ids import is_case_id
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
    engine: CohortEngine | None = None,
    rules: BatchRules | None = None,
) -> list[CaseOutcome]:
    """Prepare cases, writing ``OUT/CASE/CASE-MODALITY.nii.gz`` and ``OUT/cases.csv``.

    Args:
        cases: from ``list_cases`` or ``study_cases``.
        out: made if it is not there.
        options: the same for all.
        task: whose modalities cases have.
        report: called with every outcome as soon as it is known.
        engine: runs the cases; one after the other in this process if left out.
        rules: how the batch goes on.

    Raises:
        OutputError: ``out`` cannot be written; no case was started.
    """
    check_writable(out)
    make_run = PreparationOnly(options, task, out)
    runner = CaseRunner(
        make_run,
        cases,
        out,
        engine=engine,
        report=report,
        columns=preparation_columns(),
        find_done=make_run.find_done,
        identity={"version": __version__, "task": task.name, "prepare": options_told(options)},
        rules=rules,
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

    def find_done(self, case: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return the facts of a case that an earlier run has prepared in the same way."""
        if not is_case_id(str(case["case_id"])):
            return None
        exam = _preparer(self.options, self.task).earlier(case, self.out / str(case["case_id"]))
        return None if exam is None else preparation_facts(exam)

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
        again: prepare also what an earlier run has prepared.
    """

    make_run: Callable[[], RunCase]
    options: PrepareOptions
    task: Task
    out: Path
    again: bool = False

    def find_done(self, find_segmented: FindDone, case: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return the facts of a case that is prepared and segmented.

        Args:
            find_segmented: does so for prepared cases.
            case: as it was listed.
        """
        if not is_case_id(str(case["case_id"])):
            return None
        exam = _preparer(self.options, self.task).earlier(case, self._folder(case))
        return None if exam is None else find_segmented(self._prepared(case, exam))

    def __call__(self) -> RunCase:
        """Make it."""
        run_prepared = in_phases(self.make_run())
        return _PreparedRun(run_prepared, _preparer(self.options, self.task), self)

    def prepare(self, preparer: "Preparer", case: Mapping[str, Any]) -> dict[str, Any]:
        """Prepare a case, unless an earlier run did, and return it as it is segmented."""
        folder = self._folder(case)
        exam = None if self.again else preparer.earlier(case, folder)
        return self._prepared(case, exam or preparer.prepare(case, folder))

    def _folder(self, case: Mapping[str, Any]) -> Path:
        return self.out / str(case["case_id"]) / FOLDER

    def _prepared(self, case: Mapping[str, Any], exam: PreparedExam) -> dict[str, Any]:
        case_id, folder = str(case["case_id"]), self._folder(case)
        image = {name: folder / f"{case_id}-{name}.nii.gz" for name in exam.modalities}
        return {"case_id": case_id, "image": image}


@dataclass(frozen=True)
class _PreparedRun:
    """Prepares a case while it is read, see ``phases.PhasedRun``."""

    run_prepared: PhasedRun
    preparer: "Preparer"
    maker: PreparedFirst

    def __call__(self, case: Mapping[str, Any]) -> dict[str, Any]:
        return self.compute(self.read(case))()

    def read(self, case: Mapping[str, Any]) -> Any:
        return self.run_prepared.read(self.maker.prepare(self.preparer, case))

    def compute(self, read: Any) -> Rest:
        return self.run_prepared.compute(read)


def _preparer(options: PrepareOptions, task: Task) -> "Preparer":
    # Loads SimpleITK, which takes a while, and which cases that are prepared do without.
    from bundle.preparing.preparer import Preparer

    return Preparer(options, task)


def options_told(options: PrepareOptions) -> dict[str, Any]:
    """Return choices as the record of a run tells them."""
    return {name: value if value is None else str(value) for name, value in asdict(options).items()}


def preparation_facts(exam: PreparedExam) -> dict[str, Any]:
    """Return what a table of prepared cases tells."""
    return {
        "modalities": list(exam.modalities),
        "reference": exam.reference,
        "brain_by": exam.brain_by,
        "warnings": list(exam.warnings),
    }
