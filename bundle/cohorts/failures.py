"""Says why a case failed, and what follows from it."""

import logging
import traceback

from bundle.cohorts.case_outcome import CaseOutcome
from bundle.errors import explain
from bundle.files.atomic_file import cause_of, lacks_room
from bundle.outputs.run_files import FAILED
from bundle.plain_text import printable

LOGGER = logging.getLogger("simmlm")

_PASSING = ("E_IO", "E_TIMEOUT", "E_UNEXPECTED", "E_WRITE")
"""What a network share that comes back, or a busy machine, may have caused."""


def failed_outcome(case_id: str, error: BaseException) -> CaseOutcome:
    """Say why a case failed."""
    return CaseOutcome(case_id, FAILED, _reason(error, case_id), ends_run=_fills_disk(error))


def may_go_away(failed: CaseOutcome) -> bool:
    """Whether a case may succeed if it is tried again."""
    return failed.reason.partition(":")[0] in _PASSING


def _fills_disk(error: BaseException | None) -> bool:
    while error is not None and not lacks_room(error):
        error = error.__cause__ or error.__context__
    return error is not None


def _reason(error: BaseException, case_id: str) -> str:
    known, refused = explain(error), _refused_by_system(error)
    if known is not None:
        return f"{known.code}: {known}"
    if refused is not None:
        file = f", {refused.filename}" if refused.filename else ""
        found = f"{cause_of(refused)}{file}"
        return (
            f"E_IO: Case {case_id}: its files must be readable and writable; got: {found}. Mend"
            " that."
        )
    trace = printable("".join(traceback.format_exception(error)), keep_lines=True)
    LOGGER.error("%s: unexpected error\n%s", printable(case_id), trace)
    return f"E_UNEXPECTED: {type(error).__name__}: {error}"


def _refused_by_system(error: BaseException | None) -> OSError | None:
    """Find what the operating system refused under the exceptions that MONAI wraps around it."""
    while error is not None and not isinstance(error, OSError):
        error = error.__cause__
    return error
