"""Proves that several machines see the same folder."""

import contextlib
import secrets
import time
from collections.abc import Iterator
from pathlib import Path

from bundle.errors import OutputError
from bundle.files.atomic_file import PREFIX, cause_of, hold

_PAUSE_S = 0.2


@contextlib.contextmanager
def marked(folder: Path) -> Iterator[str]:
    """Put a hidden file of a name that nobody can foresee into a folder, and return that name.

    It is gone afterwards.

    Raises:
        OutputError: E_WRITE, it cannot be made.
    """
    mark = folder / f"{PREFIX}{secrets.token_hex(16)}.shared"
    try:
        file = mark.open("xb")
    except OSError as error:
        raise OutputError(
            "E_WRITE", f"{folder} must be writable; got: {cause_of(error)}. Mend that."
        ) from error
    with file:
        hold(file.fileno())  # else whoever sweeps the folder would take it for a dead run's
        try:
            yield mark.name
        finally:
            with contextlib.suppress(OSError):
                mark.unlink()


def sees_mark(folder: Path, name: str, *, patience_s: float = 5.0) -> bool:
    """Whether a folder is the one that was `marked`, and can be written from here, too.

    Args:
        folder: as this machine calls it.
        name: of the mark.
        patience_s: file systems of networks show a new file a little later.
    """
    end = time.monotonic() + patience_s
    while not (folder / name).exists():
        if time.monotonic() > end:
            return False
        time.sleep(_PAUSE_S)
    try:
        with marked(folder):
            return True
    except OutputError:
        return False
