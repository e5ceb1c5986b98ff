"""How the cases of a cohort are run: one after the other, or elsewhere."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

from bundle.cohorts.case_outcome import CaseOutcome

Case = dict[str, Any]
Worker = Callable[[Case], CaseOutcome]
"""Runs a case and says what became of it; whatever the case raises is in the outcome."""


class CohortEngine(Protocol):
    """Runs cases by workers, in this process or in others, on this machine or on others."""

    def run(
        self, make_worker: Callable[[], Worker], cases: Iterable[Case]
    ) -> Iterator[CaseOutcome]:
        """Run cases and yield their outcomes, each as soon as it is known; every case that was
        taken has one.

        Args:
            make_worker: called wherever cases are run, once per worker: a worker holds a network
                and cannot be sent. What makes it can be pickled, if whoever calls the engine
                wants more than the serial one.
            cases: plain data, which can be pickled; one is taken when it can be begun.

        Raises:
            SetupError: a worker cannot be made; no case was started.
        """


class SerialEngine:
    """Runs one case after the other in this process."""

    def run(
        self, make_worker: Callable[[], Worker], cases: Iterable[Case]
    ) -> Iterator[CaseOutcome]:
        """Run cases and yield their outcomes."""
        worker = make_worker()
        for case in cases:
            yield worker(case)
