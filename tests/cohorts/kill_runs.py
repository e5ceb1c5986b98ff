"""Kills a batch at random moments, runs it again, and compares with a run that nobody disturbed.

    python -m tests.cohorts.kill_runs DATA WORK N_KILLS KEY=VALUE...

Runs are forked from one process that has loaded everything, so that kills fall on the work and not
on imports. A kill waits until a number of cases is done, each number in turn, and then for a random
part of a case's time: so kills come at all stages however busy the machine is. Prints one JSON
line: of each kill, when it came, what it left, and what was wrong after the next run.
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


def done_cases(out: Path) -> list[Path]:
    """Return the records of finished cases."""
    return [path for path in out.glob("*/*.json") if path.stem == path.parent.name]


def one_kill(
    data: Path, out: Path, settings: dict, n_done: int, after_s: float, truth: dict
) -> dict:
    """Kill a run, look at what is there, run again, compare."""
    shutil.rmtree(out, ignore_errors=True)
    child = run(data, out, settings)
    while len(done_cases(out)) < n_done:
        time.sleep(0.002)
    time.sleep(after_s)
    os.kill(child, signal.SIGKILL)
    killed = not finished(child)
    found = contents(out) if out.exists() else {}
    done = [path.parent.name for path in done_cases(out)]
    lies = [
        name for name in truth if Path(name).parent.name in done and found.get(name) != truth[name]
    ]
    left = hidden(out) if out.exists() else []
    again = finished(run(data, out, settings))
    return {
        "waited_for": n_done,
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
    cases = list_cases(data)
    torch.set_num_threads(1)
    segment_cases(cases[:1], work / "warm", settings=settings)  # loads everything
    out = work / "out"  # always the same folder: paths stand in files
    began = time.monotonic()
    assert finished(run(data, out, settings))
    whole_s = time.monotonic() - began
    truth = contents(out)
    draw = random.Random(16)
    case_s = whole_s / len(cases)
    kills = [
        one_kill(data, out, settings, kill % len(cases), draw.uniform(0.02, 0.98) * case_s, truth)
        for kill in range(n_kills)
    ]
    print(json.dumps({"whole_s": round(whole_s, 2), "files": len(truth), "kills": kills}))  # noqa: T201


if __name__ == "__main__":
    main()
