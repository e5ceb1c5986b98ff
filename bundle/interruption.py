"""Ends work at a signal or after a time, between two steps and never within one."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}
"""Signal to the exit status of a program that it ended."""


class InterruptedRunError(KeyboardInterrupt):
    """A signal asked a run to end; what it was doing was dropped.

    Attributes:
        number: of the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = signal.Signals(number)

    @property
    def exit_code(self) -> int:
        """The status with which a program ends that was ended so."""
        return CODES[self.number]


class TimeIsUpError(BaseException):
    """A time limit has passed; no `Exception`, so that nothing takes it for a failure that it could
    do without.
    """


class _Held:
    """What came while a step must not be broken off."""

    depth = 0
    pending: BaseException | None = None


@contextmanager
def ending_at_signals() -> Iterator[None]:
    """Raise `InterruptedRunError` in the main thread at the first SIGTERM or Ctrl-C; a second one
    ends the program as if this were not here.

    Does nothing in other threads, and leaves alone what the program itself does at a signal.
    """
    defaults: dict[signal.Signals, Any] = {
        signal.SIGINT: signal.default_int_handler,
        signal.SIGTERM: signal.SIG_DFL,
    }
    mine = [number for number, usual in defaults.items() if _is_mine(number, usual)]

    def end(number: int, _frame: FrameType | None) -> None:
        for one in mine:
            signal.signal(one, defaults[one])
        _raise(InterruptedRunError(number))

    for number in mine:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number in mine:
            signal.signal(number, defaults[number])


@contextmanager
def time_limit(seconds: float | None) -> Iterator[None]:
    """Raise `TimeIsUpError` in the main thread once a time has passed.

    What a library computes in one call is not broken off; the error comes right after it. Does
    nothing in other threads, and on systems that have no such timer.

    Args:
        seconds: None for no limit.
    """
    if seconds is None or not _is_main() or not hasattr(signal, "setitimer"):
        yield
        return
    before = signal.signal(signal.SIGALRM, lambda _number, _frame: _raise(TimeIsUpError()))
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def lift_limit() -> None:
    """Let what is left within a `time_limit` take its time."""
    if _is_main() and hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, 0)


@contextmanager
def unbroken() -> Iterator[None]:
    """Hold back what would end the work until this step is done."""
    if not _is_main():  # signals reach the main thread only
        yield
        return
    _Held.depth += 1
    try:
        yield
    finally:
        _Held.depth -= 1
        if _Held.depth == 0 and _Held.pending is not None:
            pending, _Held.pending = _Held.pending, None
            raise pending


def _raise(error: BaseException) -> None:
    if _Held.depth == 0:
        raise error
    # Who asks the program to end means it more than a limit of a case does.
    if _Held.pending is None or isinstance(error, InterruptedRunError):
        _Held.pending = error


def _is_mine(number: int, usual: Any) -> bool:
    return _is_main() and signal.getsignal(number) is usual


def _is_main() -> bool:
    return threading.current_thread() is threading.main_thread()
