"""Ends a run by `python -m monai.bundle run` with a sentence where a user can mend something."""

import sys
from types import TracebackType

from bundle.errors import explain
from bundle.interruption import InterruptedRunError
from bundle.plain_text import printable

INTERRUPTED = 130


def end_with_a_sentence() -> None:
    """From now on end with code, sentence and exit status of an error, as the command line does.

    For ``initialize``.

    Errors that a user cannot mend keep their traceback. Where a program has its own way to end, it
    stays.
    """
    if sys.excepthook is sys.__excepthook__:
        sys.excepthook = _end


def _end(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    known = explain(error)
    if known is not None:
        if sys.stderr is not None:
            sys.stderr.write(f"{known.code}: {printable(str(known), keep_lines=True)}\n")
        raise SystemExit(known.exit_code)
    if isinstance(error, InterruptedRunError):
        raise SystemExit(error.exit_code)
    if isinstance(error, KeyboardInterrupt):
        raise SystemExit(INTERRUPTED)
    sys.__excepthook__(kind, error, trace)
