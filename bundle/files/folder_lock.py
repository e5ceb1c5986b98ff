"""A lock on a folder that ends with the process that holds it, on any file system."""

import contextlib
import errno
import logging
from collections.abc import Callable, Iterator
from pathlib import Path

from filelock import BaseFileLock, FileLock, SoftFileLease, Timeout

from bundle.errors import OutputError

LOGGER = logging.getLogger("simmlm")

LEASE_S = 30.0
"""After so long without a sign of its holder, a lease is nobody's."""

_NO_LOCKS = (errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK)


@contextlib.contextmanager
def locked(
    path: Path, *, wait_s: float = 0, when_free: Callable[[], None] | None = None
) -> Iterator[None]:
    """Hold a lock file in a folder that exists; it is gone afterwards.

    The same process may enter again. The operating system ends the lock with the process. Where the
    file system has no locks, the file is a lease: its holder gives signs of life, and who finds
    none for `LEASE_S` takes it.

    Args:
        path: of the lock file.
        wait_s: how long to wait for another process.
        when_free: called before the lock is given up, unless this is an inner entrance.

    Raises:
        Timeout: another process has it.
        OutputError: E_OUTPUT, the file cannot be made.
    """
    lock = _acquired(path, wait_s)
    try:
        yield
        if when_free is not None:
            when_free()
    finally:
        # Unlinked while it is held: whoever waits for it sees that and makes a new one. A lease
        # does that by itself.
        if lock.lock_counter == 1 and not isinstance(lock, SoftFileLease):
            with contextlib.suppress(OSError):
                path.unlink()
        lock.release()


def is_locked(path: Path) -> bool:
    """Whether another process holds a lock file; this is no promise for later."""
    try:
        with locked(path):
            return False
    except Timeout:
        return True


def _acquired(path: Path, wait_s: float) -> BaseFileLock:
    lock = FileLock(path, is_singleton=True, thread_local=False, fallback_to_soft=False)
    try:
        lock.acquire(timeout=wait_s, poll_interval=0.05)
    except OSError as error:
        if isinstance(error, Timeout):
            raise
        if error.errno in _NO_LOCKS:
            return _leased(path, wait_s)
        raise _unwritable(path, error) from None
    return lock


def _leased(path: Path, wait_s: float) -> BaseFileLock:
    lease = SoftFileLease(
        path.with_name(f"{path.name}.lease"),
        lease_duration=LEASE_S,
        on_compromise=_say_lost,
        is_singleton=True,
        thread_local=False,
    )
    try:
        # Only who has watched a lease for its whole time knows that nobody holds it.
        lease.acquire(timeout=max(wait_s, LEASE_S * 1.2), poll_interval=0.2)
    except OSError as error:
        if isinstance(error, Timeout):
            raise
        raise _unwritable(path, error) from None
    with contextlib.suppress(OSError):
        path.unlink()
    return lease


def _say_lost(_loss: object) -> None:
    LOGGER.error("Another process has taken the output folder of this one: end one of them.")


def _unwritable(path: Path, error: OSError) -> OutputError:
    return OutputError(
        "E_OUTPUT",
        f"The output folder {path.parent} must be writable; got: {error.strerror}. Choose another.",
    )
