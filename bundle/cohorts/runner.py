"""Goes through the cases of a cohort: what is done stays, a failing case is recorded, the rest goes
on.
"""

import contextlib
import logging
import sys
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from bundle.cohorts.batch_rules import BatchRules
from bundle.cohorts.case_outcome import CaseOutcome, log_outcome, segmentation_columns
from bundle.cohorts.case_table import CaseTable
from bundle.cohorts.engines import Case, CohortEngine, SerialEngine
from bundle.cohorts.ledger import CohortLedger
from bundle.cohorts.run_record import RunRecord
from bundle.cohorts.shard_folder import ShardFolder, forget_shards
from bundle.cohorts.workers import RunCase, WorkerMaker
from bundle.datasets.decathlon import Channel
from bundle.errors import OutputError
from bundle.files.atomic_file import check_writable
from bundle.files.folder_owner import sole_owner
from bundle.interruption import InterruptedRunError, ending_at_signals, unbroken
from bundle.outputs.bids.data_set import DataSet
from bundle.outputs.run_files import FAILED, SKIPPED, TABLE
from bundle.plain_text import printable
from bundle.tasks.default import DEFAULT_TASK
from bundle.tasks.task import Task

LOGGER = logging.getLogger("simmlm")

FindDone = Callable[[Case], dict[str, Any] | None]
"""Returns the facts of a case that need not be run again."""


class CaseRunner:
    """Run cases by an engine, past those that fail, and keep ``cases.csv`` and ``run.json``.

    Args:
        make_run: called where cases are run; returns what does the work for a case and gives its
            plain JSON facts.
        cases: dictionaries with ``case_id`` and ``image``.
        output_dir: where the table goes.
        engine: runs the cases; one after the other in this process if left out.
        report: called with every outcome as soon as it is known; logs it if left out.
        columns: of ``cases.csv``; those of a segmentation if left out.
        on_failure: called where cases are run, with a case that failed and its error.
        find_done: tells what an earlier run has done; left out, all is run.
        identity: plain facts by which results of this run are told from others; left out, there is
            no ``run.json``.
        rules: how the batch goes on.
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
        find_done: FindDone | None = None,
        identity: Mapping[str, Any] | None = None,
        rules: BatchRules | None = None,
        task: Task = DEFAULT_TASK,
        data_set: DataSet | None = None,
    ) -> None:
        self.rules = rules or BatchRules()
        self.make_run, self.on_failure = make_run, on_failure
        self.find_done, self.identity = find_done, identity
        self.cases = cases
        self.output_dir = Path(output_dir)
        self.engine = engine or SerialEngine()
        self.report = report or partial(log_outcome, task=task)
        self.data_set = data_set
        self.columns = tuple(columns or segmentation_columns(task))

    @property
    def own_cases(self) -> Sequence[Case]:
        """Those of this process."""
        shard = self.rules.shard
        if shard is None:
            return self.cases
        return [case for case in self.cases if shard.has(str(case["case_id"]))]

    def run(self) -> list[CaseOutcome]:
        """Run all cases that are not done.

        Returns:
            One outcome per case, in their order.

        Raises:
            OutputError: the output folder cannot be written, another process writes there, its
                ``cases.csv`` is somebody else's, or results would go among inputs; no case was
                started. Or the disk is full.
            SetupError: weights or settings are unusable; no case was started.
            InterruptedRunError: a signal ended the run; table and record say how far it came.
            ReconcileError: a case has no outcome, or two.
        """
        check_apart(self.cases, self.output_dir)
        check_writable(self.output_dir)
        shard = self.rules.shard
        if shard is not None:
            names = [str(case["case_id"]) for case in self.cases]
            shared = ShardFolder(self.output_dir, self.columns, self.identity or {}, shard)
            with shared.joined():
                outcomes = self._run_into(shared.table)
                with shared.closing(names):
                    self._describe_data_set()
                return outcomes
        with sole_owner(self.output_dir):
            outcomes = self._run_into(self.output_dir / TABLE)
            self._describe_data_set()
            forget_shards(self.output_dir)
            return outcomes

    def _run_into(self, path: Path) -> list[CaseOutcome]:
        cases = self.own_cases
        record = None
        if self.identity is not None:
            record = RunRecord(self.output_dir, self.identity, self.rules.shard)
        if self.data_set is not None:
            self.data_set.check()
        with contextlib.closing(CaseTable(path, self.columns)) as table, ending_at_signals():
            table.check()
            ledger = CohortLedger(cases, table, record, self.report)
            try:
                self._take_all(ledger, cases)
            except BaseException as error:
                self._stop(ledger, error)
                raise
            return ledger.in_order()

    def _take_all(self, ledger: CohortLedger, cases: Sequence[Case]) -> None:
        with contextlib.closing(self._outcomes(ledger, cases)) as outcomes:
            for outcome in outcomes:
                ledger.add(outcome)
                if outcome.ends_run:
                    raise OutputError("E_WRITE", outcome.reason.partition(": ")[2])
                if ledger.n_failed == self.rules.stop_after_failures:
                    with unbroken():
                        ledger.stop(f"the run ended after {ledger.n_failed} failures")
                    return
        with unbroken():
            ledger.finish()

    def _outcomes(self, ledger: CohortLedger, cases: Sequence[Case]) -> Generator[CaseOutcome]:
        waiting = self._not_done(ledger, cases)
        first = next(waiting, None)
        if first is not None:  # else no network need be loaded
            make_worker = WorkerMaker(
                self.make_run, self.on_failure, self.rules.case_timeout_s, self.rules.retries
            )
            yield from self.engine.run(make_worker, chain((first,), waiting))

    def _not_done(self, ledger: CohortLedger, cases: Sequence[Case]) -> Iterator[Case]:
        """Go through the cases, noting those that are done."""
        for case in cases:
            done = None
            if self.find_done is not None and not self.rules.again:
                done = self.find_done(case)
            if done is None:
                yield case
            else:
                ledger.add(
                    CaseOutcome(str(case["case_id"]), SKIPPED, "done by an earlier run", done)
                )

    def _stop(self, ledger: CohortLedger, error: BaseException) -> None:
        """Write how far the run came, unless it never began."""
        is_asked = isinstance(error, InterruptedRunError)
        if not ledger.outcomes and not is_asked:
            return
        reason = f"the run ended: {error if is_asked else type(error).__name__}"
        with unbroken(), contextlib.suppress(OutputError):  # the error itself says more
            ledger.stop(reason)
            self._describe_data_set()

    def _describe_data_set(self) -> None:
        if self.data_set is not None:
            self.data_set.write()


def exit_if_failed(outcomes: Sequence[CaseOutcome]) -> None:
    """End the program with status 1 if a case failed, after all of them had their turn."""
    failed = [outcome.case_id for outcome in outcomes if outcome.status == FAILED]
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
