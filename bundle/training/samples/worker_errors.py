"""Carries a case's error across a worker process."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch.utils.data import get_worker_info

from bundle.errors import CaseError, find_user_error


class WorkerCaseError(CaseError):
    """A case's error that survives the way out of a worker.

    torch passes on only the type and the text of the traceback, and calls the type with that text;
    the exceptions that the error was wrapped in, and so its code, would be lost.

    Args:
        code: as in ``CaseError``; without a message, the text that torch passes on.
        message: in the worker its text starts with the code, which is how the code travels.
    """

    def __init__(self, code: str, message: str | None = None) -> None:
        if message is not None:
            super().__init__(code, f"{code}: {message}")
        else:
            code, _, arrived = code.rpartition(f"{type(self).__name__}: ")[2].partition(": ")
            super().__init__(code, arrived.rstrip("\n"))


@contextmanager
def case_errors_leave_workers() -> Iterator[None]:
    """Raise what a user can mend in a form that reaches the main process.

    Outside workers do nothing.
    """
    try:
        yield
    except Exception as error:
        known = find_user_error(error)
        if get_worker_info() is None or not isinstance(known, CaseError):
            raise
        raise WorkerCaseError(known.code, str(known)) from error
