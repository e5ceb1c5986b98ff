"""Runs an evaluator case by case: a failing case is recorded and the rest goes on."""

import logging
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monai.data import DataLoader, Dataset
from monai.engines import Evaluator

from bundle.atomic_file import write_csv
from bundle.data.msd import Channel
from bundle.errors import OutputError, find_user_error
from bundle.inference.writing import check_writable
from bundle.regions import LABEL_NAMES, REGIONS

LOGGER = logging.getLogger("simmlm")

OK, FAILED = "ok", "failed"
VOLUMES = {name: f"{name.replace(' ', '_')}_ml" for value, name in LABEL_NAMES.items() if value}
_FACTS = ("case_id", "status", "reason", "modalities")
COLUMNS = (*_FACTS, *VOLUMES.values())


@dataclass(frozen=True)
class CaseOutcome:
    """What became of a case: one row of ``cases.csv``."""

    case_id: str
    status: str
    reason: str = ""
    result: dict[str, Any] | None = None

    def row(self) -> dict[str, Any]:
        """Give the row; a failed case has no modalities, volumes or Dice."""
        row: dict[str, Any] = {"case_id": self.case_id, "status": self.status, "reason": self.reason}
        if self.result is not None:
            row["modalities"] = " ".join(self.result["modalities"])
            volumes, dice = self.result.get("volumes_ml", {}), self.result.get("dice", {})
            row.update({VOLUMES[name]: volume for name, volume in volumes.items()})
            row.update({f"dice_{region}": value for region, value in dice.items()})
        return row


class EvaluatorRun:
    """Runs an evaluator on one case after the other, and forgets one before the next.

    Args:
        evaluator: a MONAI evaluator whose post-processing leaves ``result``; its handlers keep or write the rest.
        preprocessing: reads and prepares a case.
    """

    def __init__(self, evaluator: Evaluator, preprocessing: Callable[[Any], Any]) -> None:
        self.evaluator = evaluator
        self.preprocessing = preprocessing

    def __call__(self, case: Mapping[str, Any]) -> dict[str, Any]:
        """Give the ``result`` of a case."""
        self.evaluator.data_loader = DataLoader(Dataset([case], self.preprocessing), batch_size=1, num_workers=0)
        self.evaluator.state.epoch_length = 1
        self.evaluator.state.output = None  # a run that does nothing must not pass off the last case's result
        self.evaluator.logger.setLevel(logging.CRITICAL)  # the runner reports; ignite would print a traceback first
        # Else ignite resumes the failed run instead of starting the next one: it does nothing and says so nowhere.
        self.evaluator.interrupt_resume_enabled = False
        self.evaluator.run()
        result: dict[str, Any] = self.evaluator.state.output[0]["result"]
        return result


class CaseRunner:
    """Go through cases one after the other, past those that fail, and keep ``cases.csv`` up to date.

    Args:
        run_case: does the work for a case and gives its plain JSON facts.
        cases: dictionaries with ``case_id`` and ``image``.
        output_dir: where ``cases.csv`` goes.
        report: called with every outcome as soon as it is known; logs it if left out.
        columns: of ``cases.csv``.
    """

    def __init__(
        self,
        run_case: Callable[[dict[str, Any]], dict[str, Any]],
        cases: Sequence[dict[str, Any]],
        output_dir: Path | str,
        report: Callable[[CaseOutcome], None] | None = None,
        columns: Sequence[str] = COLUMNS,
    ) -> None:
        self.run_case = run_case
        self.cases = cases
        self.output_dir = Path(output_dir)
        self.report = report or log_outcome
        self.columns = tuple(columns)

    def run(self) -> list[CaseOutcome]:
        """Run all cases.

        Raises:
            OutputError: the output folder cannot be written, or results would go among inputs; no case was started.
        """
        check_apart(self.cases, self.output_dir)
        check_writable(self.output_dir)
        outcomes: list[CaseOutcome] = []
        for case in self.cases:
            outcomes.append(self._run_one(case))
            write_csv(self.output_dir / "cases.csv", self.columns, [outcome.row() for outcome in outcomes])
            self.report(outcomes[-1])
        return outcomes

    def _run_one(self, case: dict[str, Any]) -> CaseOutcome:
        case_id = str(case["case_id"])
        try:
            return CaseOutcome(case_id, OK, result=self.run_case(case))
        except Exception as error:
            return CaseOutcome(case_id, FAILED, _reason(error, case_id))


def judged_columns() -> tuple[str, ...]:
    """Name the columns of ``cases.csv`` where cases are judged instead of segmented."""
    return (*_FACTS, *(f"dice_{region}" for region in REGIONS))


def exit_if_failed(outcomes: Sequence[CaseOutcome]) -> None:
    """End the program with status 1 if a case failed, after all of them had their turn."""
    failed = [outcome.case_id for outcome in outcomes if outcome.status != OK]
    if failed:
        LOGGER.error("%d of %d cases failed: %s", len(failed), len(outcomes), ", ".join(failed[:10]))
        sys.exit(1)


def check_apart(cases: Sequence[Mapping[str, Any]], output_dir: Path) -> None:
    """Refuse to write a case's results into the folder of its images.

    The label map would replace an expert label of that name (``CASE_seg.nii.gz`` in BraTS 2021), or be taken for
    one by the next training.

    Raises:
        OutputError: with the folder of the first such case.
    """
    for case in cases:
        folder = (output_dir / str(case["case_id"])).resolve()
        if folder in _input_folders(case["image"]):
            raise OutputError(
                "E_OUTPUT", f"Results must not go among the images; got {folder} for both. Choose another folder."
            )


def _input_folders(source: Any) -> set[Path]:
    if isinstance(source, Mapping):
        values = [value.file if isinstance(value, Channel) else value for value in source.values()]
        return {Path(value).parent.resolve() for value in values if isinstance(value, str | Path)}
    path = Path(source).resolve()
    return {path.parent if path.is_file() else path}


def describe(outcome: CaseOutcome) -> str:
    """Say in one line what became of a case."""
    if outcome.result is None:
        return f"{outcome.case_id}: failed: {outcome.reason}"
    done = f"{outcome.case_id}: ok, {' '.join(outcome.result['modalities'])}"
    if "dice" in outcome.result:
        return f"{done}, Dice {' '.join(f'{region} {value:.2f}' for region, value in outcome.result['dice'].items())}"
    return f"{done}, tumour {sum(outcome.result['volumes_ml'].values()):.1f} ml"


def log_outcome(outcome: CaseOutcome) -> None:
    """Log one line per case."""
    LOGGER.log(logging.INFO if outcome.status == OK else logging.ERROR, "%s", describe(outcome))


def _reason(error: BaseException, case_id: str) -> str:
    known = find_user_error(error)
    if known is not None:
        return f"{known.code}: {known}"
    LOGGER.error("%s: unexpected error", case_id, exc_info=error)
    return f"E_UNEXPECTED: {type(error).__name__}: {error}"
