"""Kills a batch at random moments, runs it again, and compares with a run that nobody disturbed.

    python -m tests.cohorts.kill_runs DATA WORK N_KILLS KEY=VALUE...

Runs are forked from one process that has loaded everything, so that kills fall on the work and not
on imports. Prints one JSON line: of each kill, when it came, what it left, and what was wrong after
the next run.
"""

import json
import os
import random
import shutil
import signal
import sys
import time
from pathlib import Path

import torch

from bundle.cohorts.cohort_segmentation import segment_cases
from bundle.datasets.listing import list_cases
from bundle.files.atomic_file import PREFIX
from bundle.files.hashes import sha256_of

TIMES = ("seconds",)


def run(data: Path, out: Path, settings: dict) -> int:
    """Start a run in a process of its own."""
    child = os.fork()
    if child == 0:
        try:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
            segment_cases(list_cases(data), out, settings=settings)
            os._exit(0)
        except BaseException:
            os._exit(1)
    return child


def finished(child: int) -> bool:
    """Whether a run ended by itself and well."""
    _, status = os.waitpid(child, 0)
    return os.WIFEXITED(status) and os.WEXITSTATUS(status) == 0


def contents(out: Path) -> dict[str, str]:
    """Return the SHA-256 of each file but for times, and for what tells of runs, not cases."""
    files = [path for path in sorted(out.rglob("*")) if path.is_file()]
    return {
        str(path.relative_to(out)): sha256_of(_timeless(path))
        for path in files
        if path.parent != out
    }


def hidden(out: Path) -> list[str]:
    """Name what nobody should be left with."""
    return sorted(str(path.relative_to(out)) for path in out.rglob(".*"))


def _timeless(path: Path) -> bytes:
    content = path.read_bytes()
    if path.suffix != ".json" or PREFIX in str(path):
        return content
    return json.dumps(_without_times(json.loads(content))).encode()


def _without_times(facts: object) -> object:
    if not isinstance(facts, dict):
        return facts
    return {key: _without_times(value) for key, value in facts.items() if key not in TIMES}


def one_kill(data: Path, out: Path, settings: dict, after_s: float, truth: dict) -> dict:
    """Kill a run, look at what is there, run again, compare."""
    shutil.rmtree(out, ignore_errors=True)
    child = run(data, out, settings)
    time.sleep(after_s)
    os.kill(child, signal.SIGKILL)
    killed = not finished(child)
    found = contents(out) if out.exists() else {}
    done = [name for name in found if name == f"{Path(name).parent}/{Path(name).parent}.json"]
    lies = [
        other
        for name in done
        for other in truth
        if Path(other).parent == Path(name).parent and found.get(other) != truth[other]
    ]
    left = hidden(out) if out.exists() else []
    again = finished(run(data, out, settings))
    return {
        "after_s": round(after_s, 3),
        "killed": killed,
        "done": len(done),
        "left": left,
        "lies": lies,
        "ran_again": again,
        "differ": sorted(name for name, _ in contents(out).items() ^ truth.items()),
        "stray": hidden(out),
    }


def main() -> None:
    """Do it."""
    data, work, n_kills = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    settings = json.loads(sys.argv[4])
    torch.set_num_threads(1)
    segment_cases(list_cases(data)[:1], work / "warm", settings=settings)  # loads everything
    out = work / "out"  # always the same folder: paths stand in files
    began = time.monotonic()
    assert finished(run(data, out, settings))
    whole_s = time.monotonic() - began
    truth = contents(out)
    draw = random.Random(16)
    kills = [
        one_kill(data, out, settings, draw.uniform(0.02, 0.98) * whole_s, truth)
        for _ in range(n_kills)
    ]
    print(json.dumps({"whole_s": round(whole_s, 2), "files": len(truth), "kills": kills}))  # noqa: T201


if __name__ == "__main__":
    main()
