"""Runs an evaluator case by case: a failing case is recorded and the rest goes on."""

import contextlib
import csv
import logging
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monai.data import DataLoader, Dataset
from monai.engines import Evaluator

from bundle.datasets.decathlon import Channel
from bundle.errors import CaseError, OutputError, explain
from bundle.files.atomic_file import cause_of, check_writable, write_csv
from bundle.files.folder_owner import sole_owner
from bundle.names.case_ids import id_problem, is_case_id
from bundle.plain_text import printable
from bundle.tasks.regions import LABEL_NAMES, REGIONS

LOGGER = logging.getLogger("simmlm")

OK, FAILED = "ok", "failed"
TABLE = "cases.csv"
VOLUMES = {name: f"{name.replace(' ', '_')}_ml" for value, name in LABEL_NAMES.items() if value}
_FIRST = ("case_id", "status", "reason")
_FACTS = (*_FIRST, "modalities", "warnings")
COLUMNS = (*_FACTS, *VOLUMES.values())


@dataclass(frozen=True)
class CaseOutcome:
    """What became of a case: one row of ``cases.csv``."""

    case_id: str
    status: str
    reason: str = ""
    result: dict[str, Any] | None = None

    @property
    def warnings(self) -> list[str]:
        """What was accepted although it is unusual."""
        return [str(text) for text in (self.result or {}).get("warnings", ())]

    def row(self) -> dict[str, Any]:
        """Return the row; a failed case has no modalities, warnings, volumes or Dice."""
        row: dict[str, Any] = {
            "case_id": printable(self.case_id),
            "status": self.status,
            "reason": self.reason,
        }
        if self.result is not None:
            row["modalities"] = " ".join(self.result["modalities"])
            row["warnings"] = len(self.warnings)
            volumes, dice = self.result.get("volumes_ml", {}), self.result.get("dice", {})
            row.update({VOLUMES[name]: volume for name, volume in volumes.items()})
            row.update({f"dice_{region}": value for region, value in dice.items()})
        return row


class EvaluatorRun:
    """Runs an evaluator on one case after the other, and forgets one before the next.

    Args:
        evaluator: a MONAI evaluator whose post-processing leaves ``result``; its handlers keep or
            write the rest.
        preprocessing: reads and prepares a case.
    """

    def __init__(self, evaluator: Evaluator, preprocessing: Callable[[Any], Any]) -> None:
        self.evaluator = evaluator
        self.preprocessing = preprocessing

    def __call__(self, case: Mapping[str, Any]) -> dict[str, Any]:
        """Return the ``result`` of a case."""
        self.evaluator.data_loader = DataLoader(
            Dataset([case], self.preprocessing), batch_size=1, num_workers=0
        )
        self.evaluator.state.epoch_length = 1
        self.evaluator.state.output = (
            None  # a run that does nothing must not pass off the last case's result
        )
        self.evaluator.logger.setLevel(
            logging.CRITICAL
        )  # the runner reports; ignite would print a traceback first
        # Else ignite resumes the failed run instead of starting the next one: it does nothing and
        # says so nowhere.
        self.evaluator.interrupt_resume_enabled = False
        self.evaluator.run()
        result: dict[str, Any] = self.evaluator.state.output[0]["result"]
        return result


class CaseRunner:
    """Go through cases one after the other, past those that fail, and keep ``cases.csv`` up to
    date.

    Args:
        run_case: does the work for a case and gives its plain JSON facts.
        cases: dictionaries with ``case_id`` and ``image``.
        output_dir: where ``cases.csv`` goes.
        report: called with every outcome as soon as it is known; logs it if left out.
        columns: of ``cases.csv``.
        on_failure: called with a case that failed and its error, before the outcome is reported.
    """

    def __init__(
        self,
        run_case: Callable[[dict[str, Any]], dict[str, Any]],
        cases: Sequence[dict[str, Any]],
        output_dir: Path | str,
        report: Callable[[CaseOutcome], None] | None = None,
        columns: Sequence[str] = COLUMNS,
        on_failure: Callable[[dict[str, Any], BaseException], None] | None = None,
    ) -> None:
        self.run_case = run_case
        self.cases = cases
        self.output_dir = Path(output_dir)
        self.report = report or log_outcome
        self.columns = tuple(columns)
        self.on_failure = on_failure

    def run(self) -> list[CaseOutcome]:
        """Run all cases.

        Raises:
            OutputError: the output folder cannot be written, another process writes there, its
                ``cases.csv`` is somebody else's, or results would go among inputs; no case was
                started.
        """
        check_apart(self.cases, self.output_dir)
        check_writable(self.output_dir)
        with sole_owner(self.output_dir):
            _check_table(self.output_dir / TABLE)
            return self._run_all()

    def _run_all(self) -> list[CaseOutcome]:
        outcomes: list[CaseOutcome] = []
        for case in self.cases:
            outcomes.append(self._run_one(case))
            write_csv(
                self.output_dir / TABLE, self.columns, [outcome.row() for outcome in outcomes]
            )
            with contextlib.suppress(OSError):  # nobody listens any more; the results are there
                self.report(outcomes[-1])
        return outcomes

    def _run_one(self, case: dict[str, Any]) -> CaseOutcome:
        case_id = str(case["case_id"])
        try:
            _check_item(case)
            return CaseOutcome(case_id, OK, result=self.run_case(case))
        except Exception as error:
            if self.on_failure is not None:
                self.on_failure(case, error)
            return CaseOutcome(case_id, FAILED, _reason(error, case_id))


def judged_columns() -> tuple[str, ...]:
    """Name the columns of ``cases.csv`` where cases are judged instead of segmented."""
    return (*_FACTS, *(f"dice_{region}" for region in REGIONS))


def exit_if_failed(outcomes: Sequence[CaseOutcome]) -> None:
    """End the program with status 1 if a case failed, after all of them had their turn."""
    failed = [outcome.case_id for outcome in outcomes if outcome.status != OK]
    if failed:
        names = printable(", ".join(failed[:10]))
        LOGGER.error("%d of %d cases failed: %s", len(failed), len(outcomes), names)
        sys.exit(1)


def check_apart(cases: Sequence[Mapping[str, Any]], output_dir: Path) -> None:
    """Refuse to write a case's results into the folder of its images.

    The label map would replace an expert label of that name (``CASE_seg.nii.gz`` in BraTS 2021), or
    be taken for one by the next training.

    Raises:
        OutputError: with the folder of the first such case.
    """
    for case in cases:
        try:
            folder = (output_dir / str(case["case_id"])).resolve()
            among = folder in _input_folders(case["image"])
        except (
            OSError,
            ValueError,
            RuntimeError,
        ):  # a name that no file can have: the case will fail by itself
            continue
        if among:
            raise OutputError(
                "E_OUTPUT",
                f"Results must not go among the images; got {folder} for both. Choose another"
                " folder.",
            )


def _input_folders(source: Any) -> set[Path]:
    if isinstance(source, Mapping):
        values = [value.file if isinstance(value, Channel) else value for value in source.values()]
        return {Path(value).parent.resolve() for value in values if isinstance(value, str | Path)}
    path = Path(source).resolve()
    return {path.parent if path.is_file() else path}


def _check_table(path: Path) -> None:
    """Refuse to replace a table that is somebody else's, such as the list of cases itself."""
    try:
        with path.open(newline="", encoding="utf-8", errors="replace") as file:
            first = next(csv.reader(file), [])
    except FileNotFoundError:
        return
    except (OSError, csv.Error) as error:
        first = [str(error)]
    if tuple(first[: len(_FIRST)]) != _FIRST:
        raise OutputError(
            "E_EXISTS",
            f"{path} must be a table of this program, to be replaced; it is not. Choose another"
            " folder.",
        )


def _check_item(case: Mapping[str, Any]) -> None:
    """Refuse a case that its listing found unusable, or whose name cannot be that of a folder for
    its results.

    Raises:
        CaseError: the listing's problem, or E_CASE_ID.
    """
    if case.get("problem") is not None:
        raise case["problem"]
    case_id = str(case["case_id"])
    if not is_case_id(case_id):
        raise id_problem(case_id, "the list of cases")
    if case_id.casefold() == TABLE:
        raise CaseError(
            "E_CASE_ID", f"Case {case_id}: a case name must not be {TABLE}; it is. Rename it."
        )


def describe(outcome: CaseOutcome) -> str:
    """Say in one line what became of a case."""
    case_id = printable(outcome.case_id)
    if outcome.result is None:
        return f"{case_id}: failed: {printable(outcome.reason, keep_lines=True)}"
    done = f"{case_id}: ok, {' '.join(outcome.result['modalities'])}"
    if "dice" in outcome.result:
        dice = [f"{region} {value:.2f}" for region, value in outcome.result["dice"].items()]
        return f"{done}, Dice {' '.join(dice)}"
    return f"{done}, tumour {sum(outcome.result['volumes_ml'].values()):.1f} ml"


def describe_warnings(outcome: CaseOutcome) -> list[str]:
    """Say in one line each what was accepted of a case although it is unusual."""
    return [
        f"{printable(outcome.case_id)}: warning: {printable(text)}" for text in outcome.warnings
    ]


def log_outcome(outcome: CaseOutcome) -> None:
    """Log one line per case, and one per warning."""
    LOGGER.log(logging.INFO if outcome.status == OK else logging.ERROR, "%s", describe(outcome))
    for line in describe_warnings(outcome):
        LOGGER.warning("%s", line)


def _reason(error: BaseException, case_id: str) -> str:
    known, refused = explain(error), _refused_by_system(error)
    if known is not None:
        return f"{known.code}: {known}"
    if refused is not None:
        found = (
            f"{cause_of(refused)}, {refused.filename}" if refused.filename else cause_of(refused)
        )
        return (
            f"E_IO: Case {case_id}: its files must be readable and writable; got: {found}. Mend"
            " that."
        )
    trace = printable("".join(traceback.format_exception(error)), keep_lines=True)
    LOGGER.error("%s: unexpected error\n%s", printable(case_id), trace)
    return f"E_UNEXPECTED: {type(error).__name__}: {error}"


def _refused_by_system(error: BaseException | None) -> OSError | None:
    """Find what the operating system refused under the exceptions that MONAI wraps around it."""
    while error is not None and not isinstance(error, OSError):
        error = error.__cause__
    return error
