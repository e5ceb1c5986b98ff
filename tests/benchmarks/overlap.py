"""Time of a batch beside its network's own, with and without overlap.

    python -m tests.benchmarks.overlap CASE [CASE ...] [--cases 6] [--runs 3]

A batch of links to the cases is segmented by either engine, each in a process of its own; they take
turns, and the first turn of each is not counted. The network's own time is that in the inferer
where nothing goes on beside it: of the serial engine. Wall and CPU seconds per case are over all of
a batch but its first case, in which experts are made ready; medians of the runs. Wall seconds
depend on what else the machine does, which is why CPU seconds of the process stand beside them. The
last line is JSON; `ratio` is the time of a case to the network's own.
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

from bundle.cohorts.engines import SerialEngine
from bundle.cohorts.overlap import OverlappingEngine
from bundle.configuration import load_config, parse_settings
from bundle.names.file_names import find_images
from tests.benchmarks.turns import take_turns

ENGINES = {"serial": SerialEngine, "overlapping": OverlappingEngine}


class InfererClock:
    """Adds up what an inferer takes."""

    def __init__(self, owner: type) -> None:
        self.wall_s = 0.0
        watched = owner.__call__  # type: ignore[operator]

        @functools.wraps(watched)
        def timed(*args: Any, **options: Any) -> Any:
            started = time.perf_counter()
            try:
                return watched(*args, **options)
            finally:
                self.wall_s += time.perf_counter() - started

        owner.__call__ = timed  # type: ignore[operator]


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
        values = {"cases": cases, "output_dir": Path(out), "overwrite": True, **settings}
        config = load_config("inference.yaml", values)
        runner = config.get_parsed_content("case_runner")
        runner.engine = ENGINES[arguments.only]()
        clock = InfererClock(type(config.get_parsed_content("inferer")))
        for _ in sys.stdin:
            print(json.dumps(batch_of(runner, clock)), flush=True)


def batch_of(runner: Any, clock: InfererClock) -> dict[str, float]:
    """Run a batch and return seconds per case but for the first."""
    moments: list[tuple[float, float, float]] = []

    def note(outcome: Any) -> None:
        assert outcome.status == "ok", outcome.reason
        moments.append((time.perf_counter(), time.process_time(), clock.wall_s))

    runner.report = note
    runner.run()
    n_cases = len(moments) - 1
    wall, cpu, network = (
        (after - before) / n_cases for before, after in zip(moments[0], moments[-1], strict=True)
    )
    return {
        "wall_s": round(wall, 3),
        "cpu_s": round(cpu, 3),
        "network_s": round(network, 3),
        "peak_gb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2, 2),
    }


def report(measured: dict[str, list[dict[str, float]]]) -> None:
    rows = {
        name: {key: statistics.median(run[key] for run in runs) for key in runs[0]}
        for name, runs in measured.items()
    }
    own = rows["serial"]["network_s"]
    figures = {name: {**row, "ratio": round(row["wall_s"] / own, 3)} for name, row in rows.items()}
    print(json.dumps({"network_s": own, **figures}))


if __name__ == "__main__":
    main()
