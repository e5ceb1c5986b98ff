"""Goes through the cases of a cohort: a failing case is recorded and the rest goes on."""

import contextlib
import csv
import logging
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from bundle.cohorts.case_outcome import (
    FIRST_COLUMNS,
    OK,
    TABLE,
    CaseOutcome,
    log_outcome,
    segmentation_columns,
)
from bundle.cohorts.engines import Case, CohortEngine, SerialEngine
from bundle.cohorts.workers import RunCase, WorkerMaker
from bundle.datasets.decathlon import Channel
from bundle.errors import OutputError
from bundle.files.atomic_file import check_writable, write_csv
from bundle.files.folder_owner import sole_owner
from bundle.outputs.bids.data_set import DataSet
from bundle.plain_text import printable
from bundle.tasks.default import DEFAULT_TASK
from bundle.tasks.task import Task

LOGGER = logging.getLogger("simmlm")


class CaseRunner:
    """Run cases by an engine, past those that fail, and keep ``cases.csv`` up to date.

    Args:
        make_run: called where cases are run; returns what does the work for a case and gives its
            plain JSON facts.
        cases: dictionaries with ``case_id`` and ``image``.
        output_dir: where ``cases.csv`` goes.
        engine: runs the cases; one after the other in this process if left out.
        report: called with every outcome as soon as it is known; logs it if left out.
        columns: of ``cases.csv``; those of a segmentation if left out.
        on_failure: called where cases are run, with a case that failed and its error.
        task: of the network.
        data_set: in the output folder; none if left out.
    """

    def __init__(
        self,
        make_run: Callable[[], RunCase],
        cases: Sequence[Case],
        output_dir: Path | str,
        *,
        engine: CohortEngine | None = None,
        report: Callable[[CaseOutcome], None] | None = None,
        columns: Sequence[str] | None = None,
        on_failure: Callable[[Case, BaseException], None] | None = None,
        task: Task = DEFAULT_TASK,
        data_set: DataSet | None = None,
    ) -> None:
        self.make_worker = WorkerMaker(make_run, on_failure)
        self.cases = cases
        self.output_dir = Path(output_dir)
        self.engine = engine or SerialEngine()
        self.report = report or partial(log_outcome, task=task)
        self.data_set = data_set
        self.columns = tuple(columns or segmentation_columns(task))

    def run(self) -> list[CaseOutcome]:
        """Run all cases.

        Raises:
            OutputError: the output folder cannot be written, another process writes there, its
                ``cases.csv`` is somebody else's, or results would go among inputs; no case was
                started.
            SetupError: weights or settings are unusable; no case was started.
        """
        check_apart(self.cases, self.output_dir)
        check_writable(self.output_dir)
        with sole_owner(self.output_dir):
            _check_table(self.output_dir / TABLE)
            if self.data_set is None:
                return self._run_all()
            self.data_set.check()
            try:
                return self._run_all()
            finally:
                self.data_set.write()

    def _run_all(self) -> list[CaseOutcome]:
        outcomes: list[CaseOutcome] = []
        for outcome in self.engine.run(self.make_worker, self.cases):
            outcomes.append(outcome)
            rows = [known.row() for known in outcomes]
            write_csv(self.output_dir / TABLE, self.columns, rows)
            with contextlib.suppress(OSError):  # nobody listens any more; the results are there
                self.report(outcome)
        return outcomes


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
        except (OSError, ValueError, RuntimeError):
            continue  # a name that no file can have: the case will fail by itself
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
    if tuple(first[: len(FIRST_COLUMNS)]) != FIRST_COLUMNS:
        raise OutputError(
            "E_EXISTS",
            f"{path} must be a table of this program, to be replaced; it is not. Choose another"
            " folder.",
        )
