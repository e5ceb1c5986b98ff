"""One thread in the background that does one job after the other."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")
_Jobs = SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None]


class Lane:
    """Does jobs in the order in which they were given, in a thread that begins with the first.

    Unlike a ``ThreadPoolExecutor`` it does not keep a program from ending that gave up a job, such
    as one that waits for a disk that is gone.

    Args:
        name: of the thread.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._jobs: _Jobs = SimpleQueue()
        self._futures: list[Future[Any]] = []
        self._thread: threading.Thread | None = None
        self._n_threads = 0
        self._is_left = threading.Event()

    def submit(self, job: Callable[[], T]) -> Future[T]:
        """Return what will hold what the job returns or raises."""
        future: Future[T] = Future()
        self._futures = [known for known in self._futures if not known.done()] + [future]
        self._jobs.put((future, job))
        if self._thread is None:
            self._start()
        return future

    def wait(self) -> None:
        """Wait until all jobs are done."""
        for future in self._futures:
            if not future.cancelled():
                future.exception()

    def give_up(self) -> None:
        """Leave the job in hand to its thread, which ends after it; another one does the rest."""
        self._is_left.set()
        self._futures = [future for future in self._futures if not future.running()]
        self._start()

    def close(self, patience_s: float) -> None:
        """Drop the jobs that have not begun, and wait for the one in hand.

        Args:
            patience_s: for at most so long; then it is left to its thread.
        """
        for future in self._futures:
            future.cancel()
        for _ in range(self._n_threads):  # one that was left may wait for a job, too
            self._jobs.put(None)
        if self._thread is not None:
            self._thread.join(patience_s)

    def _start(self) -> None:
        self._is_left = threading.Event()
        self._thread = threading.Thread(
            target=_work, args=(self._jobs, self._is_left), name=self._name, daemon=True
        )
        self._thread.start()
        self._n_threads += 1


def _work(jobs: _Jobs, is_left: threading.Event) -> None:
    while not is_left.is_set():
        job = jobs.get()
        if job is None:
            return
        _do(*job)
        del job  # while it waits for the next one, nothing of a case is kept


def _do(future: Future[T], job: Callable[[], T]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        future.set_result(job())
    except BaseException as error:  # whoever waits for the job gets it
        future.set_exception(error)
