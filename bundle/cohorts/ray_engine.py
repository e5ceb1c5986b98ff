"""Runs cases on the machines of a Ray cluster, past machines and processes that die."""

import logging
import time
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from bundle.cohorts.case_outcome import CaseOutcome
from bundle.cohorts.engines import Case, MakesWorkers
from bundle.cohorts.ray_cluster import joined, machines
from bundle.cohorts.ray_crew import Crew, Job, Loss, Member
from bundle.cohorts.ray_layout import choose_layout
from bundle.cohorts.ray_worker import Answer, Arrival, Workplace
from bundle.errors import CaseError, SetupError, UsageError, UserError
from bundle.files.shared_folder import marked
from bundle.plain_text import printable

LOGGER = logging.getLogger("simmlm")

TRIES = 3
"""How many workers may die of a case before it fails."""
_LOOK_S = 5.0


class RayEngine:
    """Hands cases out, one by one, to workers on all machines of a Ray cluster.

    Each worker holds the network once, and writes the results of its cases itself. One that dies is
    replaced, if there is room, and its case is given to another.

    Args:
        output_dir: where the results go; all machines see it under this path.
        address: ``HOST:PORT`` of the cluster's head; None uses this machine alone.
        workers: how many; None for as many as there is room for.
        device_name: of the network: ``auto``, ``cpu`` or ``cuda``. With GPUs each worker has one.
        patience_s: how long to wait for a worker while there is none.

    Raises:
        UsageError: E_USAGE, a certain GPU is named.
    """

    def __init__(
        self,
        output_dir: Path | str,
        *,
        address: str | None = None,
        workers: int | None = None,
        device_name: str = "auto",
        patience_s: float = 600.0,
    ) -> None:
        if device_name.partition(":")[2] not in ("", "0"):
            raise UsageError(
                "E_USAGE",
                f"With Ray the device must be auto, cpu or cuda; got {device_name!r}. Ray gives"
                " each worker its GPU.",
            )
        self.output_dir = Path(output_dir)
        self.address = address
        self.workers = workers
        self.device_name = device_name
        self.patience_s = patience_s

    def run(self, make_worker: MakesWorkers, cases: Iterable[Case]) -> Iterator[CaseOutcome]:
        """Run cases and yield their outcomes.

        Raises:
            SetupError: no cluster, no room, or no worker can be made or is left; what was running
                has its outcome.
        """
        with marked(self.output_dir) as mark, joined(self.address, self.workers) as ray:
            layout = choose_layout(machines(ray), self.workers, self.device_name)
            workplace = Workplace(str(Path.cwd()), self.output_dir, mark, layout.n_cpus)
            crew = Crew(ray, layout, workplace, make_worker)
            try:
                yield from _Batch(crew, cases, self.patience_s).outcomes()
            finally:
                crew.dismiss_all()


class _Batch:
    """Cases on their way: to be taken, in work, or to be tried again."""

    def __init__(self, crew: Crew, cases: Iterable[Case], patience_s: float) -> None:
        self.crew = crew
        self.patience_s = patience_s
        self.cases: Iterator[Case] | None = iter(cases)
        self.again: deque[Job] = deque()
        self.refusals: list[UserError] = []
        # Losses in a row without an outcome after which nobody is hired any more.
        self.most_losses = TRIES * (crew.layout.n_workers + TRIES)
        self.n_losses = 0
        self.last_seen_s = time.monotonic()

    def outcomes(self) -> Iterator[CaseOutcome]:
        """Run all cases."""
        for _ in range(self.crew.layout.n_workers):
            self.crew.hire()
        while self.cases is not None or self.again or self.crew.is_working:
            answers = list(self.crew.answers(_LOOK_S))
            found = [outcome for answer in answers for outcome in self._settled(*answer)]
            self._hand_out()  # before the outcomes are written down, that nobody waits for that
            yield from found
            if not len(self.crew):
                yield from self._given_up()
            self._check_waiting(bool(answers))

    def _hand_out(self) -> None:
        while self.crew.idle and (job := self._next_job()) is not None:
            self.crew.give(job)

    def _next_job(self) -> Job | None:
        if self.again:
            return self.again.popleft()
        if self.cases is None:
            return None
        case = next(self.cases, None)
        if case is None:
            self.cases = None
            return None
        return Job(case)

    def _settled(self, member: Member, answer: Any) -> Iterator[CaseOutcome]:
        """Take an answer; yields what became of a case, if it says so."""
        if isinstance(answer, Loss):
            yield from self._lost(member, answer)
        elif isinstance(answer, Arrival) and answer.error is not None:
            self._refuse(member, answer.error)
        else:
            if isinstance(answer, Arrival):
                member.host, member.node = answer.host, answer.node
            self.crew.idle.append(member)
            member.job = None
            if isinstance(answer, Answer):
                self.n_losses = 0
                yield _told(answer)

    def _refuse(self, member: Member, error: UserError) -> None:
        self.refusals.append(error)
        self.crew.dismiss(member)
        LOGGER.warning("one worker less: %s: %s", error.code, printable(str(error)))

    def _lost(self, member: Member, loss: Loss) -> Iterator[CaseOutcome]:
        self.n_losses += 1
        place = f" on {member.host}" if member.host else ""
        LOGGER.warning("a worker%s was lost: %s", place, printable(loss.reason))
        self.crew.dismiss(member)
        self.crew.doubt(member.node)
        if self.n_losses < self.most_losses:
            self.crew.hire()
        if member.job is not None:
            member.job.n_losses += 1
            if member.job.n_losses < TRIES:
                self.again.append(member.job)
            else:
                yield self._failed(member.job)

    def _failed(self, job: Job) -> CaseOutcome:
        error = CaseError(
            "E_WORKER_LOST",
            f"Case {job.case['case_id']}: the process that runs it must live until it is done;"
            f" {job.n_losses} died. Look for one that ran out of memory, or run the case alone.",
        )
        return self.crew.make_worker.lost(job.case, error)

    def _given_up(self) -> Iterator[CaseOutcome]:
        """End a batch that nobody is left for, with an outcome for every case that was taken."""
        while self.again:
            yield self._failed(self.again.popleft())
        if self.refusals:
            raise self.refusals[0]
        raise SetupError(
            "E_WORKER_LOST",
            f"Workers must live; {self.n_losses} died one after the other. Look for what ended them"
            " in Ray's logs on their machines, and run again.",
        )

    def _check_waiting(self, is_answered: bool) -> None:
        now = time.monotonic()
        if is_answered or self.crew.is_working:
            self.last_seen_s = now
        elif now - self.last_seen_s > self.patience_s:
            raise SetupError(
                "E_CLUSTER",
                f"The cluster must have room for a worker; it had none for {self.patience_s:.0f} s."
                " Add machines, or wait until others have done their work, and run again.",
            )


def _told(answer: Answer) -> CaseOutcome:
    """Return an outcome, after what was said on the way to it."""
    for level, text in answer.records:
        LOGGER.log(level, "%s", text)
    return answer.outcome
