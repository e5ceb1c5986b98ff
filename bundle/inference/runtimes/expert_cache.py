"""A folder of converted experts that is never trusted blindly and never grows beyond a bound."""

import contextlib
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from bundle.files.atomic_file import PREFIX
from bundle.files.folder_owner import sweep
from bundle.files.hashes import sha256_of
from bundle.files.json_file import json_bytes, parse_json
from bundle.files.staged_folder import settle, temporary_folder

CACHE_VARIABLE = "SIMMLM_CACHE"
"""Environment variable that names the folder of everything that can be made again."""

MAX_BYTES = 500_000_000
"""Of all converted experts together; one of the shipped network has 8 million."""

_GRAPH, _WEIGHTS, _FACTS = "expert.xml", "expert.bin", "facts.json"


class ConvertedExpert(NamedTuple):
    """A converted network as OpenVINO stores it: its graph, an XML text, and its weights."""

    graph: bytes
    weights: bytes


def cache_folder() -> Path:
    """Return the user's folder of what can be made again; it need not exist.

    Raises:
        RuntimeError: the user has no home.
    """
    chosen = os.environ.get(CACHE_VARIABLE)
    if chosen:
        return Path(chosen).expanduser()
    if sys.platform == "win32":
        local = os.environ.get("LOCALAPPDATA")
        return (Path(local) if local else Path.home() / "AppData" / "Local") / "simmlm"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "simmlm"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "simmlm"


class ExpertCache:
    """Keeps converted experts, each in a folder of its own, those used last.

    Beside an expert stand the SHA-256 of both of its files: what differs from them is as good as
    absent. Several processes may use the folder at once.

    Args:
        folder: made when the first expert is stored.
        max_bytes: bound on all experts together; the newest stays however large it is.
    """

    def __init__(self, folder: Path, max_bytes: int = MAX_BYTES) -> None:
        self.folder = folder
        self.max_bytes = max_bytes

    def load(self, key: str) -> ConvertedExpert | None:
        """Return the expert that was stored under a key; None if there is none, or a damaged one.

        Args:
            key: the name of its folder.
        """
        entry = self.folder / key
        try:
            found = ConvertedExpert((entry / _GRAPH).read_bytes(), (entry / _WEIGHTS).read_bytes())
            if parse_json((entry / _FACTS).read_bytes()) != _facts(found):
                return None
        except (OSError, ValueError):
            return None
        with contextlib.suppress(OSError):
            os.utime(entry)
        return found

    def store(self, key: str, expert: ConvertedExpert) -> None:
        """Keep an expert in place of what lies under its key; older ones go if there is no room.

        Raises:
            OSError: it cannot be written; nothing of it is left.
        """
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        sweep(self.folder, deep=False)
        with temporary_folder(self.folder) as stage:
            (stage / _GRAPH).write_bytes(expert.graph)
            (stage / _WEIGHTS).write_bytes(expert.weights)
            (stage / _FACTS).write_bytes(json_bytes(_facts(expert)))
            shutil.rmtree(self.folder / key, ignore_errors=True)
            try:
                settle(stage, self.folder / key)
            except OSError:
                if self.load(key) is None:  # else another process was faster
                    raise
        self._make_room(key)

    def _make_room(self, newest: str) -> None:
        """Remove the experts used longest ago until the rest keeps the bound."""
        entries = sorted(self._others(newest), reverse=True)
        total = _size_of(self.folder / newest)
        for _, entry in entries:
            total += _size_of(entry)
            if total > self.max_bytes:
                shutil.rmtree(entry, ignore_errors=True)

    def _others(self, newest: str) -> Iterator[tuple[int, Path]]:
        for entry in self.folder.iterdir():
            if entry.name != newest and not entry.name.startswith(PREFIX):
                with contextlib.suppress(OSError):  # removed by another process
                    yield entry.stat().st_mtime_ns, entry


def _facts(expert: ConvertedExpert) -> dict[str, str]:
    return {_GRAPH: sha256_of(expert.graph), _WEIGHTS: sha256_of(expert.weights)}


def _size_of(entry: Path) -> int:
    total = 0
    for name in (_GRAPH, _WEIGHTS, _FACTS):
        with contextlib.suppress(OSError):
            total += (entry / name).stat().st_size
    return total
