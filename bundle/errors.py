"""Errors that a user sees, each with a stable code and a way out."""


class UserError(Exception):
    """A problem the user can mend; its text is the whole message, no traceback is needed.

    Attributes:
        code: stable identifier such as ``E_CRC``, for tables and scripts.
        exit_code: what the command line returns when this ends a run.
    """

    exit_code = 1

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


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


def find_user_error(error: BaseException | None) -> UserError | None:
    """Find what the user can mend under the exceptions that MONAI wraps around errors in transforms."""
    while error is not None and not isinstance(error, UserError):
        error = error.__cause__ or error.__context__
    return error
