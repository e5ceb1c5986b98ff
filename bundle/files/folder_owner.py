"""One process at a time in an output folder, or several that share it, and nothing left there by
those that died.
"""

import contextlib
import os
import shutil
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from filelock import Timeout

from bundle.errors import OutputError
from bundle.files.atomic_file import PREFIX, hold
from bundle.files.folder_lock import is_locked, locked

LOCK_NAME = ".simmlm.lock"
"""File in an output folder while a process writes there."""

PART_NAME = f"{LOCK_NAME}.part-"
"""Begins the name of such a file of one of several processes that share a folder."""

_NEW_S = 2.0  # a temporary file is locked right after it was made, not in the same instant
_JOIN_S = 30.0  # how long another process may take to come in


@contextlib.contextmanager
def sole_owner(folder: Path) -> Iterator[None]:
    """Keep other processes out of an output folder, and sweep what dead ones left in it and in its
    subfolders.

    It is swept before and after the work: what was left a moment before it began is too new to be
    told from what is about to be used.

    The same process may enter again.

    Args:
        folder: exists.

    Raises:
        OutputError: E_BUSY, another process writes there; or E_OUTPUT, the lock cannot be made.
    """
    try:
        with locked(folder / LOCK_NAME, when_free=partial(sweep, folder, patient=True)):
            if live_parts(folder):
                raise _busy(folder)
            sweep(folder)
            yield
    except Timeout:
        raise _busy(folder) from None


@contextlib.contextmanager
def part_owner(folder: Path, part: str, check: Callable[[bool], None]) -> Iterator[None]:
    """Share an output folder with processes that do other parts of the same work.

    It is swept by who comes into it, or leaves it (see `gathered`), as the only one.

    Args:
        folder: exists.
        part: names this process's share; no two processes have the same.
        check: called with whether others are there, while none can come or go; raises if this
            process must not join them.

    Raises:
        OutputError: E_BUSY, another process does this part, or all of the work; or E_OUTPUT.
    """
    with contextlib.ExitStack() as held:
        try:
            with locked(folder / LOCK_NAME, wait_s=_JOIN_S):
                others = live_parts(folder)
                check(bool(others))
                if not others:
                    sweep(folder)
                held.enter_context(locked(folder / f"{PART_NAME}{part}"))
        except Timeout:
            raise _busy(folder) from None
        yield


@contextlib.contextmanager
def gathered(folder: Path) -> Iterator[None]:
    """Let no other process come into or leave a folder that several share; waits for its turn.

    Who is the last one there sweeps it.

    Raises:
        OutputError: E_BUSY, somebody takes too long.
    """
    try:
        with locked(folder / LOCK_NAME, wait_s=_JOIN_S):
            yield
            if not live_parts(folder):
                sweep(folder, patient=True)
    except Timeout:
        raise _busy(folder) from None


def live_parts(folder: Path) -> list[str]:
    """Name the parts that other processes are doing in a folder."""
    names = [path.name for path in _entries(folder) if path.name.startswith(PART_NAME)]
    parts = {name.removeprefix(PART_NAME).removesuffix(".lease") for name in names}
    return sorted(part for part in parts if is_locked(folder / f"{PART_NAME}{part}"))


def _busy(folder: Path) -> OutputError:
    return OutputError(
        "E_BUSY",
        f"One process at a time must write to {folder}; another one does. Wait for it, or"
        " choose another folder.",
    )


def sweep(folder: Path, *, deep: bool = True, patient: bool = False) -> None:
    """Remove temporary files and folders of processes that died, never those in use.

    Args:
        folder: where to look.
        deep: look in its subfolders, too.
        patient: wait until what looks dead is old enough to be so; else that stays.
    """
    places = (folder, *(_subfolders(folder) if deep else ()))
    found = [path for place in places for path in _entries(place) if path.name.startswith(PREFIX)]
    young = [path for path in found if not _remove_dead(path)]
    if young and patient:
        time.sleep(_NEW_S)
        for path in young:
            _remove_dead(path)


def _remove_dead(path: Path) -> bool:
    """Remove something unless it is held; False where it is too young to be told."""
    with contextlib.suppress(OSError):
        is_young = time.time() - path.lstat().st_mtime < _NEW_S
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
        try:
            if not hold(descriptor):
                return True
            if is_young:
                return False
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink()
        finally:
            os.close(descriptor)
    return True


def _subfolders(folder: Path) -> list[Path]:
    return [path for path in _entries(folder) if path.is_dir() and not path.is_symlink()]


def _entries(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []
