"""The workers of a batch on a Ray cluster: asks them, and hears who answers and who died."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from bundle.cohorts.engines import Case, MakesWorkers
from bundle.cohorts.ray_layout import Layout
from bundle.cohorts.ray_worker import RayWorker, Workplace

_LAST_WORDS_S = 10.0
_MOST_LETTERS = 300


@dataclass(eq=False)
class Job:
    """A case, and how many workers died of it."""

    case: Case
    n_losses: int = 0


@dataclass(eq=False)
class Member:
    """A worker, as the crew knows it.

    Attributes:
        actor: Ray's handle.
        host: name of its machine, once it has said so.
        node: the same, as Ray calls it.
        job: what it is working on.
    """

    actor: Any
    host: str = ""
    node: str = ""
    job: Job | None = None


@dataclass(frozen=True)
class Loss:
    """Stands for the answer of a worker that died."""

    reason: str


@dataclass(eq=False)
class Crew:
    """Workers, each an actor that is never restarted: Ray would run a case again without a word.

    Attributes:
        ray: the module, connected.
        layout: what each worker takes.
        workplace: what each must find.
        make_worker: called in each.
        idle: workers that wait for a case.
    """

    ray: Any
    layout: Layout
    workplace: Workplace
    make_worker: MakesWorkers
    idle: list[Member] = field(default_factory=list)
    _asked: dict[Any, Member] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._pickled = self.ray.cloudpickle.dumps(self.make_worker)
        self._kind = self.ray.remote(RayWorker).options(
            num_cpus=self.layout.n_cpus,
            num_gpus=self.layout.n_gpus,
            max_restarts=0,
            max_task_retries=0,
            scheduling_strategy="SPREAD",
        )

    def __len__(self) -> int:
        """Count the workers, also those that are not ready yet."""
        return len(self.idle) + len(self._asked)

    @property
    def is_working(self) -> bool:
        """Whether somebody has a case."""
        return any(member.job is not None for member in self._asked.values())

    def hire(self) -> None:
        """Let one more worker start, once the cluster has room for it."""
        member = Member(self._kind.remote())
        self._asked[member.actor.start.remote(self.workplace, self._pickled)] = member

    def give(self, job: Job) -> None:
        """Give a case to a worker that waits for one."""
        member = self.idle.pop()
        member.job = job
        self._asked[member.actor.run.remote(job.case)] = member

    def doubt(self, node: str) -> None:
        """Let those that wait on a machine show that they are there, before they get a case."""
        doubted = [member for member in self.idle if member.node == node]
        self.idle = [member for member in self.idle if member.node != node]
        for member in doubted:
            self._asked[member.actor.is_there.remote()] = member

    def answers(self, timeout_s: float) -> Iterator[tuple[Member, Any]]:
        """Wait for answers, at most so long for the first: who answers is no longer asked.

        Raises:
            Exception: what a worker raised that is no outcome, such as a defect.
        """
        asked = list(self._asked)
        ready, rest = self.ray.wait(asked, num_returns=1, timeout=timeout_s) if asked else ([], [])
        if ready and rest:
            ready += self.ray.wait(rest, num_returns=len(rest), timeout=0)[0]
        for reference in ready:
            yield self._asked.pop(reference), self._answer(reference)

    def dismiss(self, member: Member) -> None:
        """Stop a worker that is neither asked nor idle any more."""
        self.ray.kill(member.actor)

    def dismiss_all(self) -> None:
        """Stop all, and wait until those in the middle of something are gone."""
        for member in (*self.idle, *self._asked.values()):
            with contextlib.suppress(self.ray.exceptions.RayError):
                self.dismiss(member)
        asked = list(self._asked)
        self.idle, self._asked = [], {}
        if asked:
            self.ray.wait(asked, num_returns=len(asked), timeout=_LAST_WORDS_S)

    def _answer(self, reference: Any) -> Any:
        errors = self.ray.exceptions
        try:
            return self.ray.get(reference)
        except errors.RayTaskError as error:
            raise error.cause from error
        except errors.RayError as error:
            return Loss(_in_short(error))


def _in_short(error: BaseException) -> str:
    """Return what Ray says of a death, without its numbers before and its advice behind."""
    text = " ".join(str(error).split())
    said = text.rpartition("The actor is dead because ")[2]
    return said.partition(" Some common causes")[0][:_MOST_LETTERS]
