"""One process at a time in an output folder, and nothing left there by those that died."""

import contextlib
import errno
import logging
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from bundle.errors import OutputError
from bundle.files.atomic_file import PREFIX, hold

LOGGER = logging.getLogger("simmlm")

LOCK_NAME = ".simmlm.lock"
"""File in an output folder while a process writes there.

The operating system ends the lock with the process.
"""

_NO_LOCKS = (errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK)
_NEW_S = 2.0  # a temporary file is locked right after it was made, not in the same instant


@contextlib.contextmanager
def sole_owner(folder: Path) -> Iterator[None]:
    """Keep other processes out of an output folder, and sweep what dead ones left in it and in its
    subfolders.

    It is swept before and after the work: what was left a moment before it began is too new to be
    told from what is about to be used.

    The same process may enter again. Where the file system has no locks, a warning says so and the
    work goes on.

    Args:
        folder: exists.

    Raises:
        OutputError: E_BUSY, another process writes there; or E_OUTPUT, the lock cannot be made.
    """
    lock = _acquired(folder)
    if lock is None:
        LOGGER.warning("%s has no locks: make sure that no other process writes there", folder)
        yield
        return
    try:
        sweep(folder)
        yield
        sweep(folder)
    finally:
        if (
            lock.lock_counter == 1
        ):  # unlinked while it is held: whoever waits for it sees that and makes a new one
            with contextlib.suppress(OSError):
                (folder / LOCK_NAME).unlink()
        lock.release()


def _acquired(folder: Path) -> FileLock | None:
    """Take the lock of a folder; None where the file system has none."""
    lock = FileLock(
        folder / LOCK_NAME, is_singleton=True, thread_local=False, fallback_to_soft=False
    )
    try:
        lock.acquire(blocking=False)
    except Timeout:
        raise OutputError(
            "E_BUSY",
            f"One process at a time must write to {folder}; another one does. Wait for it, or"
            " choose another folder.",
        ) from None
    except OSError as error:
        if error.errno in _NO_LOCKS:
            return None
        raise OutputError(
            "E_OUTPUT",
            f"The output folder {folder} must be writable; got: {error.strerror}. Choose another.",
        ) from None
    return lock


def sweep(folder: Path, *, deep: bool = True) -> None:
    """Remove temporary files and folders of processes that died, never those in use.

    Args:
        folder: where to look.
        deep: look in its subfolders, too.
    """
    for place in (folder, *(_subfolders(folder) if deep else ())):
        for path in _entries(place):
            if path.name.startswith(PREFIX):
                _remove_dead(path)


def _remove_dead(path: Path) -> None:
    with contextlib.suppress(OSError):
        if time.time() - path.lstat().st_mtime < _NEW_S:
            return
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
        try:
            if not hold(descriptor):
                return
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink()
        finally:
            os.close(descriptor)


def _subfolders(folder: Path) -> list[Path]:
    return [path for path in _entries(folder) if path.is_dir() and not path.is_symlink()]


def _entries(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []
