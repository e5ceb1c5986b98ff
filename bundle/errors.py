"""Errors that a user sees, each with a stable code and a way out."""

import re

from bundle.error_codes.error_code import ErrorCode


class UserError(Exception):
    """A problem the user can mend; its text is the whole message, no traceback is needed.

    Attributes:
        code: stable identifier, for tables and scripts.
        exit_code: what the command line returns when this ends a run.

    Args:
        code: a member of `ErrorCode`, or its text.
        message: what must be, what was found, and what to do.

    Raises:
        ValueError: there is no such code.
    """

    exit_code = 1

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = ErrorCode(code)  # type: ignore[call-arg]  # looks a member up

    def __reduce__(self) -> tuple[type["UserError"], tuple[str, str]]:
        """Let another process have the error."""
        return type(self), (self.code, str(self))


class CaseError(UserError):
    """One case cannot be used as it is; other cases go on."""


class UsageError(UserError):
    """The command was called in a way that cannot mean anything."""

    exit_code = 2


class OutputError(UserError):
    """A result cannot be written; nothing half-written is left."""

    exit_code = 74


class SetupError(UserError):
    """Weights or configuration are unusable; nothing was started."""

    exit_code = 78


class ReconcileError(UserError):
    """Cases that went in did not come out; the program is at fault, not who uses it."""

    exit_code = 70


_NO_MEMORY = re.compile(
    r"out of memory|not enough memory|can(?:'|no)t allocate memory|bad_alloc|failed to map"
    r" segment|unable to mmap"
    r"|killed by signal: Killed"  # by the system, when memory ran out
    r"|could not (?:create|execute) a (?:primitive|memory)",  # oneDNN's words for it
    re.I,
)


def find_user_error(error: BaseException | None) -> UserError | None:
    """Find what the user can mend under the exceptions that MONAI wraps around errors in
    transforms.
    """
    while error is not None and not isinstance(error, UserError):
        error = error.__cause__ or error.__context__
    return error


def explain(error: BaseException | None) -> UserError | None:
    """Find what the user can mend, or say that memory ran out, where a program or a case ends."""
    known = find_user_error(error)
    while known is None and error is not None:
        if lacks_memory(error):
            return UserError(
                "E_MEMORY",
                "The computer must have memory for this; it ran out. Close other programs, or"
                " choose smaller windows (roi_size) or the CPU (--device cpu).",
            )
        error = error.__cause__ or error.__context__
    return known


def lacks_memory(error: BaseException) -> bool:
    """Whether an exception says that memory ran out, in the words of Python, NumPy, torch or the
    system.
    """
    says = isinstance(error, RuntimeError | OSError | ImportError) and _NO_MEMORY.search(str(error))
    return isinstance(error, MemoryError) or bool(says)
