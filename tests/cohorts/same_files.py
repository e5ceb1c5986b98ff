"""Compares what two runs wrote."""

import json
from pathlib import Path


def written(folder: Path) -> dict[str, bytes]:
    """Return the files of a run, JSONs without their times, and tables without their order."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): _content(path) for path in files}


def _content(path: Path) -> bytes:
    if path.suffix == ".json":
        facts = json.loads(path.read_text())
        for name in ("seconds", "started", "ended"):
            facts.pop(name, None)
        return json.dumps(facts).encode()
    if path.name == "cases.csv":
        return b"\n".join(sorted(path.read_bytes().splitlines()))
    return path.read_bytes()
