"""A folder of preprocessed cases that several processes may use at once and that never grows beyond
a bound.
"""

import contextlib
import logging
import os
import time
from pathlib import Path
from typing import Any

import torch

from bundle.files.atomic_file import whole_file
from bundle.training.samples.packed_case import from_bytes, to_bytes

LOGGER = logging.getLogger("simmlm")

SUFFIX = ".simmlm-case"
"""Ends the name of every file that the cache writes; others in the folder are never touched."""

PARTIAL_SUFFIX = SUFFIX + ".partial"

_DAY_S = 24 * 60 * 60


class CaseCache:
    """Keep preprocessed cases on disk, one file per case, those used last.

    A convenience that training never depends on: where the folder cannot be used, a warning says so
    once and everything is computed. Files appear under their names only when they are complete, and
    carry a checksum. A bound that is smaller than the data set helps little, since every epoch uses
    every case.

    Args:
        folder: made if it is not there.
        max_gb: bound on the files of the cache, in 1e9 bytes.
    """

    def __init__(self, folder: Path | str, max_gb: float) -> None:
        self.folder = Path(folder).expanduser()
        self.max_bytes = int(max_gb * 1e9)
        # In shared memory, so that the workers of a DataLoader do not repeat each other's warning.
        self._given_up = torch.zeros((), dtype=torch.bool).share_memory_()  # type: ignore[no-untyped-call]
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._remove_leftovers()
        except OSError as error:
            self._give_up(error)

    def load(self, key: str) -> Any | None:
        """Return the case that was stored under a key; None if there is none, or a damaged one."""
        path = self._path(key)
        try:
            case = from_bytes(path.read_bytes())
        except FileNotFoundError:
            return None
        except OSError as error:
            self._give_up(error)
            return None
        except Exception as error:  # whatever a damaged file makes torch raise
            LOGGER.warning("The cached case %s is damaged and will be made again: %s", path, error)
            return None
        _touch(path)
        return case

    def store(self, key: str, case: Any) -> None:
        """Keep a case under a key.

        Older ones go if there is no room, one larger than the bound is not kept.

        Raises:
            TypeError: the case holds something other than tensors, arrays, text and numbers.
        """
        if self._given_up:
            return
        content = to_bytes(case)
        if len(content) > self.max_bytes:
            return
        path = self._path(key)
        try:
            self._make_room(len(content), path)
            _write(path, content)
        except OSError as error:
            self._give_up(error)

    def _path(self, key: str) -> Path:
        return self.folder / (key + SUFFIX)

    def _make_room(self, n_bytes: int, path: Path) -> None:
        """Remove the files used longest ago until so many bytes fit.

        The one that will be replaced does not count.
        """
        files = sorted(
            (used_ns, size, other) for used_ns, size, other in self._files() if other != path
        )
        excess = sum(size for _, size, _ in files) + n_bytes - self.max_bytes
        for _, size, other in files:
            if excess <= 0:
                return
            other.unlink(missing_ok=True)
            excess -= size

    def _files(self) -> list[tuple[int, int, Path]]:
        """List last use, bytes and path of the cached cases."""
        files = []
        for path in self.folder.glob("*" + SUFFIX):
            with contextlib.suppress(FileNotFoundError):  # removed by another process
                status = path.stat()
                files.append((status.st_mtime_ns, status.st_size, path))
        return files

    def _remove_leftovers(self) -> None:
        """Remove what processes that died while writing left behind.

        No living one writes for a day.
        """
        for path in self.folder.glob("*" + PARTIAL_SUFFIX):
            with contextlib.suppress(OSError):
                if time.time() - path.stat().st_mtime > _DAY_S:
                    path.unlink()

    def _give_up(self, error: OSError) -> None:
        if not self._given_up:
            self._given_up.fill_(True)
            cause = error.strerror or error
            LOGGER.warning(
                "The cache folder %s cannot be used, cases are not kept there: %s",
                self.folder,
                cause,
            )


def _write(path: Path, content: bytes) -> None:
    with whole_file(path, ending=PARTIAL_SUFFIX) as file:
        file.write(content)
    _touch(path)


def _touch(path: Path) -> None:
    """Note the use of a file, with the full resolution of the clock, which the file system's own
    lacks.
    """
    with contextlib.suppress(OSError):
        now_ns = time.time_ns()
        os.utime(path, ns=(now_ns, now_ns))
