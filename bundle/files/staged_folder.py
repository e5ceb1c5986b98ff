"""Folders that are filled out of sight, and then take their place."""

import contextlib
import os
import shutil
import stat
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from bundle.errors import OutputError
from bundle.files.atomic_file import PREFIX, cause_of, hold, sync_file, sync_folder


@contextlib.contextmanager
def staged(folder: Path) -> Iterator[Path]:
    """Return a hidden folder inside another to fill; it is gone afterwards, whatever happens.

    What is wanted of it is moved out with `move_into`. The folder around it is made, and goes again
    if nothing came to be in it.

    Raises:
        OutputError: E_WRITE, also for what goes wrong while it is filled and emptied.
    """
    is_new = not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with temporary_folder(folder) as stage:
            yield stage
    except OSError as error:
        raise OutputError(
            "E_WRITE",
            f"{folder} must be writable; got: {cause_of(error)}. Mend that and run the case again.",
        ) from error
    finally:
        if is_new:
            with contextlib.suppress(OSError):  # not empty: all went well
                folder.rmdir()


@contextlib.contextmanager
def becoming(folder: Path) -> Iterator[Path]:
    """Return a hidden folder to fill, which takes the place of another once that went well.

    Else nothing is left of it, and what was there stays.

    Raises:
        OutputError: E_WRITE, also for what goes wrong while it is filled.
    """
    parent = folder.parent
    try:
        with made_folders(parent), temporary_folder(parent) as stage:
            yield stage
            with temporary_folder(parent) as aside:
                _replace(folder, stage, aside / "old")
    except OSError as error:
        raise OutputError(
            "E_WRITE",
            f"{folder} must be writable; got: {cause_of(error)}. Mend that and run again.",
        ) from error


def _replace(folder: Path, stage: Path, old: Path) -> None:
    if folder.exists():
        folder.rename(old)
    try:
        settle(stage, folder)
    except OSError:
        if old.exists():
            old.rename(folder)
        raise


@contextlib.contextmanager
def made_folders(folder: Path) -> Iterator[None]:
    """Make a folder with those above it; they go again if nothing came to be in them.

    Raises:
        OSError: one cannot be made.
    """
    new = [place for place in (folder, *folder.parents) if not place.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield
    finally:
        for place in new:
            with contextlib.suppress(OSError):  # not empty: all went well
                place.rmdir()


@contextlib.contextmanager
def temporary_folder(parent: Path | None = None) -> Iterator[Path]:
    """Return a new folder to fill, of a name that nobody can foresee.

    It is gone afterwards unless `settle` gave it another name.

    Args:
        parent: where it lies; left out, where the system keeps what is temporary.

    Raises:
        OSError: it cannot be made.
    """
    stage = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
    descriptor = -1
    try:
        with contextlib.suppress(OSError):  # some systems cannot open folders
            descriptor = os.open(stage, os.O_RDONLY)
            hold(descriptor)
        yield stage
    finally:
        shutil.rmtree(stage, ignore_errors=True)
        if descriptor >= 0:
            os.close(descriptor)


def move_into(folder: Path, source: Path, names: Iterable[str]) -> None:
    """Move files from one folder into another of the same disk, in this order; then they last.

    Raises:
        OSError: one cannot be moved; those before it were.
    """
    for name in names:
        (source / name).replace(folder / name)
    sync_folder(folder)


def move_file(source: Path, target: Path) -> None:
    """Give a finished file its name, on the same disk; then it lasts.

    Raises:
        OSError: it cannot be moved.
    """
    source.replace(target)
    sync_folder(target.parent)


def linked_or_copied(source: Path, target: Path) -> None:
    """Let a file have a second name, or a copy, where the disk has no links.

    Raises:
        OSError: neither can be made.
    """
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
        sync_folder(target.parent)


def settle(stage: Path, target: Path) -> None:
    """Give a filled `temporary_folder` its name, once all of it lasts.

    Raises:
        OSError: it cannot be stored or renamed.
    """
    for path in stage.rglob("*"):
        if path.is_dir():
            sync_folder(path)
        else:
            with path.open("r+b") as file:
                sync_file(file)
    sync_folder(stage)
    stage.chmod(_usual_mode(stage))  # a temporary folder is for its owner only
    stage.rename(target)
    sync_folder(target.parent)


def _usual_mode(folder: Path) -> int:
    """Return the mode that the user's umask, or a rule of the file system, gives a new folder."""
    probe = folder / f"{PREFIX}mode"
    probe.mkdir()
    try:
        return stat.S_IMODE(probe.stat().st_mode)
    finally:
        probe.rmdir()
