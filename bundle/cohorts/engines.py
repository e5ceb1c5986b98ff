"""How the cases of a cohort are run: one after the other, or elsewhere."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

from bundle.cohorts.case_outcome import CaseOutcome
from bundle.errors import CaseError

Case = dict[str, Any]
Worker = Callable[[Case], CaseOutcome]
"""Runs a case and says what became of it; whatever the case raises is in the outcome."""


class MakesWorkers(Protocol):
    """Makes workers, wherever it is called.

    It can be pickled, if whoever calls the engine wants more than the serial one.
    """

    def __call__(self) -> Worker:
        """Make a worker, which holds a network and cannot be sent.

        Raises:
            SetupError: weights or settings are unusable.
        """

    def lost(self, case: Case, error: CaseError) -> CaseOutcome:
        """Do what a worker does with a case that failed, for one that did not live to do it."""


class CohortEngine(Protocol):
    """Runs cases by workers, in this process or in others, on this machine or on others."""

    def run(self, make_worker: MakesWorkers, cases: Iterable[Case]) -> Iterator[CaseOutcome]:
        """Run cases and yield their outcomes, each as soon as it is known, in any order.

        Every case that was taken has one outcome. When the iterator is closed, or ends by an
        exception, all workers are stopped.

        Args:
            make_worker: called wherever cases are run, once per worker.
            cases: plain data, which can be pickled. One is taken only when a worker is free: it may
                depend on what lies in the output folder by then whether a case is run at all.

        Raises:
            SetupError: no worker can be made; no case was started.
        """


class SerialEngine:
    """Runs one case after the other in this process."""

    def run(self, make_worker: MakesWorkers, cases: Iterable[Case]) -> Iterator[CaseOutcome]:
        """Run cases and yield their outcomes."""
        worker = make_worker()
        for case in cases:
            yield worker(case)
