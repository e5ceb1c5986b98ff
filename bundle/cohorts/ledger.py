"""Keeps account of a cohort: every case that goes in comes out once, whatever happens."""

import contextlib
from collections import Counter
from collections.abc import Callable, Sequence

from bundle.cohorts.case_outcome import CaseOutcome
from bundle.cohorts.case_table import CaseTable
from bundle.cohorts.engines import Case
from bundle.cohorts.run_record import FINISHED, STOPPED, RunRecord
from bundle.errors import ReconcileError
from bundle.interruption import unbroken
from bundle.outputs.run_files import FAILED, LEFT, OK, SKIPPED


class CohortLedger:
    """Takes outcomes in any order, and writes table and record.

    Args:
        cases: all that go in; several may have one name.
        table: of the outcomes.
        record: of the run; None to keep none.
        report: called with every outcome as soon as it is in the table.
    """

    def __init__(
        self,
        cases: Sequence[Case],
        table: CaseTable,
        record: RunRecord | None,
        report: Callable[[CaseOutcome], None],
    ) -> None:
        self.names = [str(case["case_id"]) for case in cases]
        self.table, self.record, self.report = table, record, report
        self.outcomes: list[CaseOutcome] = []
        self._awaited = Counter(self.names)
        self._became: Counter[str] = Counter()

    @property
    def counts(self) -> dict[str, int]:
        """How many cases went in, and what became of them."""
        became = {status: self._became[status] for status in (OK, FAILED, SKIPPED, LEFT)}
        return {"in": len(self.names)} | became

    @property
    def n_failed(self) -> int:
        """How many have failed."""
        return self._became[FAILED]

    def add(self, outcome: CaseOutcome) -> None:
        """Take an outcome.

        Raises:
            ReconcileError: no case waits for it.
            OutputError: E_WRITE.
        """
        if self._awaited[outcome.case_id] < 1:
            raise _unbalanced(f"an outcome of {outcome.case_id} that no case waits for")
        with unbroken():
            if not self.outcomes and self.record is not None:
                self.record.begin(len(self.names))
            self._note(outcome)
            self._awaited[outcome.case_id] -= 1
        with contextlib.suppress(OSError):  # nobody listens any more; the results are there
            self.report(outcome)

    def finish(self) -> None:
        """End the account of a run that went through all cases.

        Raises:
            ReconcileError: a case has no outcome.
            OutputError: E_WRITE.
        """
        lost = sum(self._awaited.values())
        self._close(STOPPED if lost else FINISHED, "the run lost it")
        if lost:
            raise _unbalanced(f"{lost} without an outcome")

    def stop(self, reason: str) -> None:
        """End the account of a run that did not: cases that had no turn are left.

        Raises:
            OutputError: E_WRITE.
        """
        self._close(STOPPED, reason)

    def in_order(self) -> list[CaseOutcome]:
        """Return the outcomes in the order of the cases."""
        return [self.outcomes[number] for number in self._order()]

    def _note(self, outcome: CaseOutcome) -> None:
        self.table.add(outcome)
        self.outcomes.append(outcome)
        self._became[outcome.status] += 1

    def _close(self, state: str, reason: str) -> None:
        for name in (+self._awaited).elements():
            self._note(CaseOutcome(name, LEFT, reason))
        self._awaited.clear()
        if self.outcomes:
            self.table.finish(self._order())
        if self.record is not None:
            self.record.end(state, self.counts)

    def _order(self) -> list[int]:
        place = {name: number for number, name in reversed(list(enumerate(self.names)))}
        return sorted(
            range(len(self.outcomes)), key=lambda number: place[self.outcomes[number].case_id]
        )


def _unbalanced(found: str) -> ReconcileError:
    return ReconcileError(
        "E_RECONCILE",
        f"Each case must have one outcome; got {found}. This is a fault of the program: report it,"
        " and run the same command again.",
    )
