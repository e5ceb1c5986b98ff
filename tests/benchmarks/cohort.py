"""What a cohort costs besides its cases: seconds per case, and memory of the process that hands
them out.

    python -m tests.benchmarks.cohort [--engine serial|ray] [--cases 10000] [--workers 2] [--alone]

Cases are stand-ins that sleep, so that processors have nothing to do but the handing out and the
table, or with ``--alone`` the handing out. Counted from the first outcome on: workers, which load torch and MONAI as in earnest, have
started by then. Memory is what the process holds after a tenth of the cases, and at the end. The
last line is JSON.
"""

import argparse
import json
import logging
import resource
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from bundle.cohorts.case_outcome import CaseOutcome
from bundle.cohorts.engines import CohortEngine, SerialEngine
from bundle.cohorts.ray_engine import RayEngine
from bundle.cohorts.runner import CaseRunner
from bundle.cohorts.workers import WorkerMaker
from bundle.outputs.run_files import OK, TABLE

RESULT = {
    "modalities": ["t1n", "t1c", "t2w", "t2f"],
    "volumes_ml": {"necrotic core": 1.5, "oedema": 20.25, "enhancing tumour": 3.125},
    "warnings": [],
}


@dataclass(frozen=True)
class Sleeping:
    """Makes what stands for the segmentation of a case."""

    seconds: float

    def __call__(self):
        return self.run

    def run(self, case: dict[str, Any]) -> dict[str, Any]:
        time.sleep(self.seconds)
        return {**RESULT, "case_id": case["case_id"]}


class Watch:
    """Notes when outcomes come, and what this process has used by then."""

    def __init__(self, n_cases: int) -> None:
        self.n_cases = n_cases
        self.n_known = 0
        self.first_s = self.last_s = 0.0
        self.first_cpu_s = 0.0
        self.early_mb = 0.0

    def __call__(self, outcome: CaseOutcome) -> None:
        assert outcome.status == OK, outcome.reason
        self.last_s = time.perf_counter()
        self.n_known += 1
        if self.n_known == 1:
            self.first_s, self.first_cpu_s = self.last_s, cpu_s()
        if self.n_known == max(1, self.n_cases // 10):
            self.early_mb = held_mb()


def cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def held_mb() -> float:
    return psutil.Process().memory_info().rss / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--engine", choices=["serial", "ray"], default="serial")
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--workers", type=int, default=2, help="of Ray")
    parser.add_argument("--address", help="of a Ray cluster; one on this machine if left out")
    parser.add_argument("--alone", action="store_true", help="the engine without table and folder")
    parser.add_argument("--seconds", type=float, default=0.02, help="that each case takes")
    arguments = parser.parse_args()
    logging.getLogger("simmlm").setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory() as out:
        print(json.dumps(measure(arguments, Path(out))))


def measure(arguments: argparse.Namespace, out: Path) -> dict[str, Any]:
    n_workers, engine = 1, SerialEngine()
    if arguments.engine == "ray":
        n_workers, engine = arguments.workers, on_ray(arguments, out)
    cases = [{"case_id": f"case{number:05}", "image": {}} for number in range(arguments.cases)]
    watch = Watch(len(cases))
    started_s = time.perf_counter()
    work = Sleeping(arguments.seconds)
    if arguments.alone:
        for outcome in engine.run(WorkerMaker(work), iter(cases)):
            watch(outcome)
    else:
        CaseRunner(work, cases, out, engine=engine, report=watch).run()
        assert len((out / TABLE).read_text().splitlines()) == len(cases) + 1
    took_s = watch.last_s - watch.first_s
    n_counted = watch.n_known - 1
    return {
        "engine": arguments.engine,
        "alone": arguments.alone,
        "workers": n_workers,
        "cases": watch.n_known,
        "start_s": round(watch.first_s - started_s, 1),
        "seconds": round(took_s, 1),
        "ideal_s": round(n_counted * arguments.seconds / n_workers, 1),
        "overhead_ms": round(1000 * (took_s * n_workers / n_counted - arguments.seconds), 2),
        "cpu_ms": round(1000 * (cpu_s() - watch.first_cpu_s) / n_counted, 2),
        "early_mb": round(watch.early_mb),
        "last_mb": round(held_mb()),
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }


def on_ray(arguments: argparse.Namespace, out: Path) -> CohortEngine:
    return RayEngine(out, address=arguments.address, workers=arguments.workers, device_name="cpu")


if __name__ == "__main__":
    main()
