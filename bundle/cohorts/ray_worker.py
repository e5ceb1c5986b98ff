"""What runs in a process of a Ray cluster: a worker that holds a network, and proofs of its
surroundings.
"""

import contextlib
import logging
import os
import pickle
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bundle import __version__
from bundle.cohorts.case_outcome import CaseOutcome
from bundle.cohorts.engines import Case, Worker
from bundle.errors import SetupError, UserError, explain
from bundle.files.extras import import_extra
from bundle.files.shared_folder import sees_mark

LOGGER = logging.getLogger("simmlm")

Record = tuple[int, str]


@dataclass(frozen=True)
class Workplace:
    """What a process must find where it runs.

    Attributes:
        folder: working folder of the command; paths of cases and weights may be relative to it.
        output_dir: where results go.
        mark: name of a file in it.
        n_threads: of the network.
        version: of this program.
    """

    folder: str
    output_dir: Path
    mark: str
    n_threads: int
    version: str = __version__


@dataclass(frozen=True)
class Arrival:
    """Says that a process is ready, or why it cannot be used.

    Attributes:
        host: name of its machine.
        node: its machine, as Ray calls it.
        error: why no case should be given to it.
    """

    host: str
    node: str
    error: UserError | None = None


@dataclass(frozen=True)
class Answer:
    """An outcome, and what was logged on the way to it: level and text."""

    outcome: CaseOutcome
    records: tuple[Record, ...]


class RayWorker:
    """A process's worker; becomes an actor.

    Its methods raise nothing that a user can mend: it is in what they return.
    """

    def __init__(self) -> None:
        self.worker: Worker | None = None

    def start(self, workplace: Workplace, make_worker: bytes) -> Arrival:
        """Load the network, if this is a place for it.

        Args:
            workplace: what must be here.
            make_worker: pickled, so that what cannot be imported here is an answer, too.
        """
        host = socket.gethostname()
        node = import_extra("ray", "ray").get_runtime_context().get_node_id()
        try:
            _enter(workplace, host)
            self.worker = _made(make_worker, host, workplace.n_threads)
        except Exception as error:
            known = explain(error)
            if known is None:
                raise
            return Arrival(host, node, known)
        return Arrival(host, node)

    def run(self, case: Case) -> Answer:
        """Run a case."""
        assert self.worker is not None
        with _recorded() as records:
            outcome = self.worker(case)
        return Answer(outcome, tuple(records))

    def is_there(self) -> bool:
        """Answer, which the dead cannot."""
        return True


def _enter(workplace: Workplace, host: str) -> None:
    if workplace.version != __version__:
        raise SetupError(
            "E_CLUSTER",
            f"{host} must have simmlm {workplace.version}, as the command has; got {__version__}."
            " Install that there.",
        )
    # Where there is no such folder, paths that are relative lead nowhere, which is said below.
    with contextlib.suppress(OSError):
        os.chdir(workplace.folder)
    if not sees_mark(workplace.output_dir, workplace.mark):
        raise SetupError(
            "E_NOT_SHARED",
            f"{host} must see and write the output folder {workplace.output_dir}; it does not."
            " Choose one on a disk that all machines share, under the same path.",
        )


def _made(make_worker: bytes, host: str, n_threads: int) -> Worker:
    # Before ITK counts the processors; other processes have the rest of them.
    os.environ["ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS"] = str(n_threads)
    try:
        make = pickle.loads(make_worker)
        import_extra("torch", "ray").set_num_threads(n_threads)
    except (ImportError, AttributeError) as error:
        raise SetupError(
            "E_CLUSTER",
            f"{host} must have the same packages as the machine of the command; got: {error}."
            " Install them there.",
        ) from None
    worker: Worker = make()
    return worker


@contextlib.contextmanager
def _recorded() -> Iterator[list[Record]]:
    """Keep what is logged, which nobody would see here."""
    kept: list[Record] = []
    handler = _Keeping(kept)
    LOGGER.addHandler(handler)
    try:
        yield kept
    finally:
        LOGGER.removeHandler(handler)


class _Keeping(logging.Handler):
    def __init__(self, kept: list[Record]) -> None:
        super().__init__(logging.WARNING)
        self.kept = kept

    def emit(self, record: logging.LogRecord) -> None:
        self.kept.append((record.levelno, record.getMessage()))
