"""Reads the next case and writes the last one while the network computes."""

import unicodedata
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from dataclasses import replace
from functools import partial

from bundle.cohorts.case_outcome import CaseOutcome
from bundle.cohorts.engines import Case, MakesWorkers, SerialEngine, Worker
from bundle.cohorts.lane import Lane
from bundle.cohorts.phases import Facts, PhasedRun, in_phases
from bundle.cohorts.workers import RunCase, WorkerMaker, check_item, within_limit
from bundle.errors import explain
from bundle.interruption import lift_limit

PATIENCE_S = 10.0
"""For a read in hand when a run ends early; a write is always waited for."""


class OverlappingEngine:
    """Runs cases in this process, with one thread beside that of the network.

    The thread writes a case, then reads one, and so on: there are never more than one case that is
    being written, one that is computed, and one that is read or waits for the network. The bytes
    are those of ``SerialEngine``.
    """

    def run(self, make_worker: MakesWorkers, cases: Iterable[Case]) -> Iterator[CaseOutcome]:
        """Run cases and yield their outcomes in the given order.

        A case is taken when the one before it is about to be computed. Where this ends early, by
        an exception or because it is closed, a write in hand is finished and the rest is dropped.
        """
        if not isinstance(make_worker, WorkerMaker):
            yield from SerialEngine().run(make_worker, cases)
            return
        run = OverlappedRun(make_worker.make_run(), make_worker.timeout_s)
        worker = replace(make_worker, make_run=lambda: run)()
        try:
            yield from _outcomes(worker, run, _Source(cases))
        finally:
            run.close()


class OverlappedRun:
    """Does the work for a case, of which parts may have been done ahead.

    Whoever calls it for a case gets what became of these parts, facts or an error. What needs a
    second try is done in one piece, and so is a case for which there was no memory beside another.

    Args:
        run_case: does the work for a case.
        timeout_s: after so many seconds of waiting for its images and of computing a case has
            failed; None for no limit.
    """

    def __init__(self, run_case: RunCase, timeout_s: float | None = None) -> None:
        self._run_case, self._timeout_s = run_case, timeout_s
        self._phases = in_phases(run_case)
        self._lane = Lane("simmlm-ahead")
        self._attempts: dict[int, Attempt] = {}

    def __call__(self, case: Case) -> Facts:
        """Finish a case, or do all of it where nothing was begun."""
        attempt = self._attempts.pop(id(case), None)
        if attempt is None:
            self._lane.wait()  # two cases are never read at once
            return self._run_case(case)
        lift_limit()  # it was computed in time, and a write that has begun is not given up
        try:
            return attempt.facts()
        except Exception as error:
            if not _lacks_memory(error):
                raise
        self._be_alone()
        with within_limit(case, self._timeout_s):
            return self._run_case(case)

    def begin(self, case: Case) -> bool:
        """Begin to read a case, unless one with the same folder is under way."""
        places = {attempt.place for attempt in self._attempts.values()}
        if _place(case) in places or not _is_usable(case):
            return False
        self._attempts[id(case)] = Attempt(self._phases, case, self._lane)
        return True

    def compute(self, case: Case) -> bool:
        """Run the network on a case that was begun, and begin to write it.

        Returns:
            Whether it will be written; else what it was refused for is known.
        """
        attempt = self._attempts[id(case)]
        is_well = attempt.compute(self._timeout_s)
        if not attempt.is_read:
            self._lane.give_up()
        return is_well

    def close(self) -> None:
        """Finish a write in hand, and drop all else."""
        for attempt in self._attempts.values():
            attempt.wait_for_write()
        self._attempts.clear()
        self._lane.close(PATIENCE_S)

    def _be_alone(self) -> None:
        """Let go of all memory of other cases; they are read again when it is their turn."""
        self._lane.wait()
        for attempt in self._attempts.values():
            attempt.forget_read()


class Attempt:
    """A case that is run in parts.

    Args:
        phases: the parts.
        case: what to read, at once.
        lane: where it is read and written.
    """

    def __init__(self, phases: PhasedRun, case: Case, lane: Lane) -> None:
        self.place = _place(case)
        self._phases, self._lane = phases, lane
        self._case = case
        self._read = partial(phases.read, case)
        self._reading: Future | None = lane.submit(self._read)
        self._writing: Future[Facts] | None = None
        self._error: Exception | None = None

    @property
    def is_read(self) -> bool:
        """Whether nothing reads it any more."""
        return self._reading is None or self._reading.done()

    def compute(self, timeout_s: float | None = None) -> bool:
        """Wait for what was read, run the network, and begin to write; never raises what goes
        wrong with the case.
        """
        try:
            with within_limit(self._case, timeout_s):
                read = self._read() if self._reading is None else self._reading.result()
                self._reading = None
                rest = self._phases.compute(read)
            self._writing = self._lane.submit(rest)
        except Exception as error:
            self._error = error
        return self._error is None

    def facts(self) -> Facts:
        """Wait until the case is written and return its facts, or raise what went wrong."""
        if self._error is not None:
            raise self._error
        assert self._writing is not None
        return self._writing.result()

    def forget_read(self) -> None:
        """Give back the memory of what was read and not computed yet."""
        self._reading = None

    def wait_for_write(self) -> None:
        """Wait for a write that has begun; drop one that has not."""
        if self._writing is not None and not self._writing.cancel():
            self._writing.exception()


class _Source:
    """Cases that are taken one by one; what the source raises waits until those are done that were
    taken.
    """

    def __init__(self, cases: Iterable[Case]) -> None:
        self._cases = iter(cases)
        self._error: Exception | None = None

    def take(self) -> Case | None:
        try:
            return next(self._cases, None) if self._error is None else None
        except Exception as error:
            self._error = error
            return None

    def end(self) -> None:
        if self._error is not None:
            raise self._error


def _outcomes(worker: Worker, run: OverlappedRun, source: _Source) -> Iterator[CaseOutcome]:
    last: Case | None = None  # is being written
    case = source.take()
    is_begun = case is not None and run.begin(case)
    while case is not None:
        if not is_begun:  # nothing of it must be done before the last one has an outcome
            if last is not None:
                yield worker(last)
                last = None
            is_begun = run.begin(case)
        following = source.take()
        follows = following is not None and run.begin(following)
        is_written = is_begun and run.compute(case)
        if last is not None:
            yield worker(last)
        last = case if is_written else None
        if last is None:
            yield worker(case)
        case, is_begun = following, follows
    if last is not None:
        yield worker(last)
    source.end()


def _place(case: Case) -> str:
    """Return what two cases have in common whose results go into one folder, on any disk."""
    return unicodedata.normalize("NFKC", str(case["case_id"])).casefold()


def _is_usable(case: Case) -> bool:
    try:
        check_item(case)
    except Exception:  # its outcome says why
        return False
    return True


def _lacks_memory(error: Exception) -> bool:
    known = explain(error)
    return known is not None and known.code == "E_MEMORY"
