"""Says in a sentence what the machine lacked when a training stopped."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bundle.errors import OutputError, UserError, lacks_memory
from bundle.files.atomic_file import lacks_room

_NO_SHARED_MEMORY = re.compile(
    r"killed by signal: Bus error|unable to (?:write to|open|resize) .*torch_", re.I
)
_NO_ROOM = re.compile(
    r"no space left on device|disk quota exceeded|database or disk is full|disk I/O error", re.I
)


@contextmanager
def named_failures(out: Path) -> Iterator[None]:
    """Turn what is raised where memory or disk run out, by whatever library, into an error that
    says what to do.

    Args:
        out: the folder of the training, for the message.

    Raises:
        UserError: E_MEMORY, memory ran out.
        OutputError: E_WRITE, nothing more can be written.
    """
    try:
        yield
    except Exception as error:
        named = _named(error, out)
        if named is None:
            raise
        raise named from error


def _named(error: BaseException | None, out: Path) -> UserError | None:
    """Find the cause that can be named; None if there is none, or if it is named already."""
    while error is not None and not isinstance(error, UserError):
        text = str(error)
        if _NO_SHARED_MEMORY.search(text):
            return UserError(
                "E_MEMORY",
                "The workers that prepare cases must have shared memory (/dev/shm); it ran out. Set"
                " num_workers=0, or enlarge it (docker run --shm-size=8g). The same command goes on"
                " after the last finished epoch.",
            )
        if lacks_room(error) or _NO_ROOM.search(text):
            return OutputError(
                "E_WRITE",
                f"{out} and the folders of cache and tracking must be writable; got an error:"
                f" {_first_line(text)}. Make room; the same command goes on after the last finished"
                " epoch.",
            )
        if lacks_memory(error):
            return UserError(
                "E_MEMORY",
                f"Training must fit into memory; got: {_first_line(text) or 'no more of it'}."
                " Choose a smaller batch_size or roi_size (in another --out), num_workers=0, or"
                " cache_rate=0, which keeps no cases in memory; or free memory and give the same"
                " command, which goes on after the last finished epoch.",
            )
        error = error.__cause__ or error.__context__
    return None


def _first_line(text: str, limit: int = 200) -> str:
    return text.strip().partition("\n")[0][:limit].rstrip(".")
