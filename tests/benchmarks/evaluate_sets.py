"""What judging all 15 modality sets of a case costs, against segmenting it 15 times.

    python tests/benchmarks/evaluate_sets.py --runs 1

Draws a case of 240 x 240 x 155 voxels, as BraTS has them. Each run, in a process of its own,
judges it from all sets (experts once, metrics, tables and pictures included), and segments it from
the files of each set, one after the other with one loaded network. Both read and write files and
use the same weights and settings. The last line is JSON.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bundle.cohorts.cohort_evaluation import evaluate_network
from bundle.cohorts.cohort_segmentation import segment_cases
from bundle.configuration import parse_settings
from bundle.names.file_names import find_images
from bundle.outputs.run_files import OK
from bundle.tasks.default import DEFAULT_TASK

SHAPE = ("240", "240", "155")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--shape", nargs=3, default=SHAPE, help="voxels of the case")
    parser.add_argument(
        "--set", action="append", default=[], help="setting of both configs, KEY=VALUE"
    )
    parser.add_argument(
        "--part", choices=WORK, help=argparse.SUPPRESS
    )  # the process that does one of both
    parser.add_argument("--cases", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.part:
        print(json.dumps(measure(arguments.part, arguments.cases, parse_settings(arguments.set))))
        return
    with tempfile.TemporaryDirectory() as folder:
        command = ["phantom", f"{folder}/cases", "--shape", *arguments.shape, "--seed", "1"]
        subprocess.run(
            [sys.executable, "-m", "bundle.cli", *command],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        options = [option for text in arguments.set for option in ("--set", text)]
        report(
            {
                part: [run(part, f"{folder}/cases", options) for _ in range(arguments.runs)]
                for part in WORK
            }
        )


def run(part: str, case_folder: str, options: list[str]) -> dict[str, float]:
    command = [sys.executable, __file__, "--part", part, "--cases", case_folder, *options]
    last = subprocess.run(
        command, check=True, stdout=subprocess.PIPE, text=True
    ).stdout.splitlines()[-1]
    measured = json.loads(last)
    print(f"{part}: {measured['seconds']:.1f} s, peak {measured['peak_gb']:.2f} GB", flush=True)
    return measured


def measure(part: str, case_folder: Path, settings: dict) -> dict[str, float]:
    started_s = time.perf_counter()
    with tempfile.TemporaryDirectory() as out:
        outcomes = WORK[part](case_folder, Path(out), settings)
    assert all(outcome.status == OK for outcome in outcomes), outcomes
    peak_gb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    return {"seconds": time.perf_counter() - started_s, "peak_gb": peak_gb}


def judge(case_folder: Path, out: Path, settings: dict) -> list:
    return evaluate_network(out, {**settings, "dataset_dir": case_folder})


def segment(case_folder: Path, out: Path, settings: dict) -> list:
    folder = next(case_folder.iterdir())
    images = find_images(folder, folder.name)
    cases = [
        {"case_id": "+".join(chosen), "image": {modality: images[modality] for modality in chosen}}
        for chosen in DEFAULT_TASK.modality_sets()
    ]
    return segment_cases(cases, out, settings=settings)


def report(measured: dict[str, list[dict[str, float]]]) -> None:
    judged, segmented = (
        statistics.median(one["seconds"] for one in measured[part]) for part in ("judge", "segment")
    )
    peak_gb = max(one["peak_gb"] for one in measured["judge"])
    print(
        f"medians of {len(measured['judge'])} runs: judged in {judged:.1f} s, segmented 15 times in"
        f" {segmented:.1f} s"
    )
    print(json.dumps({"time_ratio": round(judged / segmented, 3), "peak_gb": round(peak_gb, 2)}))


WORK = {"judge": judge, "segment": segment}

if __name__ == "__main__":
    main()
