"""CPU seconds until the command line says something, or begins to work.

    python tests/benchmarks/startup.py [--runs 5]

Four kinds of process take turns on one thread each: `simmlm --help`; `simmlm segment` of a folder
that is not there; `simmlm segment` of a drawn case, ended when it opens the first image, with the
shipped weights loaded by then; and `import torch`, for what no start can be quicker than. Counted
is what the system says each has used, as user and for it. The last line is JSON: medians, and that
of a segmentation's start as a multiple of torch's, which other work on the machine moves least.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from bundle.phantoms.phantom_cases import write_phantoms

ROOT = Path(__file__).resolve().parents[2]
HELP, REFUSED, SEGMENT, TORCH = "help", "refused", "segment", "torch"
COMMAND = "from bundle.cli.app import app; app()"
UNTIL_FIRST_IMAGE = f"""
import os, sys
def end(event, arguments):
    if event == "open" and str(arguments[0]).endswith(".nii.gz"):
        os._exit({os.EX_TEMPFAIL})
sys.addaudithook(end)
{COMMAND}
"""
ENDS = {HELP: 0, REFUSED: 2, SEGMENT: os.EX_TEMPFAIL, TORCH: 0}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--runs", type=int, default=5, help="of each kind, after one that is not counted"
    )
    runs = parser.parse_args().runs
    with tempfile.TemporaryDirectory() as work:
        write_phantoms(Path(work) / "cases", n_cases=1, seed=0, shape=(48, 56, 40))
        report(measure(commands(Path(work)), runs))


def commands(work: Path) -> dict[str, list[str]]:
    out = ["-o", str(work / "out")]
    return {
        HELP: [COMMAND, "--help"],
        REFUSED: [COMMAND, "segment", str(work / "nowhere"), *out],
        SEGMENT: [UNTIL_FIRST_IMAGE, "segment", str(work / "cases"), *out],
        TORCH: ["import torch"],
    }


def measure(kinds: dict[str, list[str]], runs: int) -> dict[str, list[float]]:
    seconds: dict[str, list[float]] = {kind: [] for kind in kinds}
    for _ in range(runs + 1):
        for kind, arguments in kinds.items():
            seconds[kind].append(cpu_seconds(arguments, ENDS[kind]))
    return {kind: times[1:] for kind, times in seconds.items()}


def cpu_seconds(arguments: list[str], end: int) -> float:
    """Run Python code with arguments, which must end with an exit status."""
    before = used()
    done = subprocess.run(
        [sys.executable, "-c", *arguments],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == end, done.stderr
    return used() - before


def used() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def report(seconds: dict[str, list[float]]) -> None:
    medians = {kind: statistics.median(times) for kind, times in seconds.items()}
    for kind, times in seconds.items():
        print(f"{kind}: {medians[kind]:.2f} s, {min(times):.2f} to {max(times):.2f}")
    figures = {f"{kind}_cpu_s": round(median, 2) for kind, median in medians.items()}
    ratio = round(medians[SEGMENT] / medians[TORCH], 2)
    print(json.dumps({**figures, "segment_to_torch": ratio}))


if __name__ == "__main__":
    main()
