"""``run.json``: which run an output folder is of, how far it is, and what it counts."""

import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bundle.cohorts.shard import Shard
from bundle.errors import UserError
from bundle.files.json_file import read_json, write_json
from bundle.outputs.run_files import RECORD

RUNNING, FINISHED, STOPPED = "running", "finished", "stopped"

_FORMAT = 1


class RunRecord:
    """Keeps the record of a run.

    Args:
        folder: of the outputs.
        identity: plain facts by which results of the run are told from others.
        shard: of this process.
    """

    def __init__(self, folder: Path, identity: Mapping[str, Any], shard: Shard | None) -> None:
        self.path = record_path(folder, shard)
        self.facts = {
            "format": _FORMAT,
            "state": RUNNING,
            "shard": None if shard is None else str(shard),
            "counts": {},
            "started": _now(),
            "ended": None,
            "host": platform.node(),
            "identity": dict(identity),
            "intended_use": "research only, not for diagnosis",
        }

    def begin(self, n_cases: int) -> None:
        """Write that the run has begun.

        Raises:
            OutputError: E_WRITE.
        """
        self.facts["counts"] = {"in": n_cases}
        write_json(self.path, self.facts)

    def end(self, state: str, counts: Mapping[str, int]) -> None:
        """Write how the run ended.

        Raises:
            OutputError: E_WRITE.
        """
        self.facts |= {"state": state, "counts": dict(counts), "ended": _now()}
        write_json(self.path, self.facts)


def record_path(folder: Path, shard: Shard | None) -> Path:
    """Name the file of a run, or of one of its shards."""
    return folder / (RECORD if shard is None else f"run-{shard.name}.json")


def read_record(path: Path) -> dict[str, Any] | None:
    """Read the record of a run; None if there is none of this program."""
    try:
        facts = read_json(path)
    except UserError:
        return None
    return facts if isinstance(facts, dict) and facts.get("format") == _FORMAT else None


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
