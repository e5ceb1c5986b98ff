"""Time of a batch beside its network's own, with and without overlap.

    python -m tests.benchmarks.overlap CASE [CASE ...] [--cases 6] [--runs 3]

A batch of links to the cases is segmented by either engine, each in a process of its own; they take
turns, and the first turn of each is not counted. The network's own time is that in the inferer
where nothing goes on beside it: of the serial engine. Seconds per case are those from one call of
the inferer to the next, of all cases but the first, in which experts are made ready, and the last;
medians of the runs. Wall seconds depend on what else the machine does, which is why CPU seconds of
the process stand beside them. The last line is JSON; `ratio` is the wall time of a case to the
network's own, `cpu_ratio` the CPU time of all to that of the serial engine's network: what a ratio
of 1 would take on cores that are never idle.
"""

import argparse
import functools
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from bundle.cohorts.engines import SerialEngine
from bundle.cohorts.overlap import OverlappingEngine
from bundle.configuration import load_config, parse_settings
from bundle.names.file_names import find_images
from tests.benchmarks.turns import take_turns

ENGINES = {"serial": SerialEngine, "overlapping": OverlappingEngine}


class InfererClock:
    """Notes when an inferer is called, and what it takes, in wall and CPU seconds of the process."""

    def __init__(self, owner: type) -> None:
        self.begun: list[tuple[float, float]] = []
        self.took: list[tuple[float, float]] = []
        watched = owner.__call__  # type: ignore[operator]

        @functools.wraps(watched)
        def timed(*args: Any, **options: Any) -> Any:
            begun = now()
            result = watched(*args, **options)
            self.begun.append(begun)
            self.took.append(tuple(np.subtract(now(), begun)))
            return result

        owner.__call__ = timed  # type: ignore[operator]


def now() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("case_folders", nargs="+", type=Path)
    parser.add_argument("--cases", type=int, default=6, help="of a batch")
    parser.add_argument("--runs", type=int, default=3, help="that are counted")
    parser.add_argument(
        "--set", action="append", default=[], help="setting of configs/inference.yaml, KEY=VALUE"
    )
    parser.add_argument("--only", choices=ENGINES, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.only:
        answer_requests(arguments)
        return
    processes = {name: start(name, arguments) for name in ENGINES}
    report(take_turns(processes, arguments.runs))


def start(name: str, arguments: argparse.Namespace) -> subprocess.Popen:
    options = [*map(str, arguments.case_folders), "--only", name, "--cases", str(arguments.cases)]
    options += [part for setting in arguments.set for part in ("--set", setting)]
    return subprocess.Popen(
        [sys.executable, "-m", "tests.benchmarks.overlap", *options],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def answer_requests(arguments: argparse.Namespace) -> None:
    """Segment a batch for every line of standard input, and say what it took."""
    images = [find_images(folder, folder.name) for folder in arguments.case_folders]
    cases = tuple(
        {"case_id": f"case{number}", "image": images[number % len(images)]}
        for number in range(arguments.cases)
    )
    settings = parse_settings(arguments.set)
    with tempfile.TemporaryDirectory() as out:
        values = {"cases": cases, "output_dir": Path(out), "again": True, **settings}
        config = load_config("inference.yaml", values)
        runner = config.get_parsed_content("case_runner")
        runner.engine = ENGINES[arguments.only]()
        clock = InfererClock(type(config.get_parsed_content("inferer")))
        for _ in sys.stdin:
            print(json.dumps(batch_of(runner, clock)), flush=True)


def batch_of(runner: Any, clock: InfererClock) -> dict[str, float]:
    """Run a batch and return seconds per case, but for the first and the last."""
    clock.begun.clear()
    clock.took.clear()
    outcomes = runner.run()
    assert all(outcome.status == "ok" for outcome in outcomes), outcomes
    wall, cpu = np.subtract(clock.begun[-1], clock.begun[1]) / (len(outcomes) - 2)
    network_wall, network_cpu = np.mean(clock.took[1:-1], axis=0)
    return {
        "wall_s": round(wall, 3),
        "cpu_s": round(cpu, 3),
        "network_s": round(network_wall, 3),
        "network_cpu_s": round(network_cpu, 3),
        "peak_gb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2, 2),
    }


def report(measured: dict[str, list[dict[str, float]]]) -> None:
    rows = {
        name: {key: statistics.median(run[key] for run in runs) for key in runs[0]}
        for name, runs in measured.items()
    }
    own, own_cpu = rows["serial"]["network_s"], rows["serial"]["network_cpu_s"]
    for row in rows.values():
        row["ratio"] = round(row["wall_s"] / own, 3)
        row["cpu_ratio"] = round(row["cpu_s"] / own_cpu, 3)
    print(json.dumps(rows))


if __name__ == "__main__":
    main()
