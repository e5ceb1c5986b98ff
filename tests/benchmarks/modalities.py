"""Time and memory of one whole case with one modality against the same case with all four.

    python tests/benchmarks/modalities.py [CASE_FOLDER]

Without a folder a phantom of 240 x 240 x 155 voxels is drawn. The two take turns in one process
with the network loaded once; each time runs from reading the files to the last map on disk, and the
medians are compared. The last line is JSON.
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

from bundle.configuration import load_config, parse_settings
from bundle.names.file_names import find_images

ALONE = "t1c"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("case_folder", nargs="?", type=Path)
    parser.add_argument(
        "--runs",
        type=int,
        default=3,
        help="of each kind, after one run of each that is not counted",
    )
    parser.add_argument(
        "--set", action="append", default=[], help="setting of configs/inference.yaml, KEY=VALUE"
    )
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        folder = arguments.case_folder or draw_case(Path(work))
        images = find_images(folder, folder.name)
        seconds = measure(images, Path(work) / "out", arguments.runs, parse_settings(arguments.set))
    report(seconds)


def draw_case(work: Path) -> Path:
    """Draw in another process, so that its memory does not count."""
    command = ["phantom", str(work / "case"), "--shape", "240", "240", "155", "--seed", "1"]
    subprocess.run(
        [sys.executable, "-c", "from bundle.cli.app import app; app()", *command], check=True
    )
    return next((work / "case").iterdir())


def measure(
    images: dict[str, Path], out: Path, runs: int, settings: dict
) -> dict[str, list[float]]:
    kinds = {"one": {ALONE: images[ALONE]}, "four": images}
    cases = tuple(
        {"case_id": kind, "image": kinds[kind]} for _ in range(runs + 1) for kind in kinds
    )
    ends = [0.0]
    seconds: dict[str, list[float]] = {kind: [] for kind in kinds}

    def note(outcome) -> None:
        assert outcome.status == "ok", outcome.reason
        seconds[outcome.case_id].append(time.perf_counter() - ends[0])
        print(f"{outcome.case_id}: {seconds[outcome.case_id][-1]:.1f} s", flush=True)
        ends[0] = time.perf_counter()

    config = load_config("inference.yaml", {**settings, "cases": cases, "output_dir": out})
    runner = config.get_parsed_content("case_runner")
    runner.report = note
    ends[0] = time.perf_counter()
    runner.run()
    return {kind: times[1:] for kind, times in seconds.items()}


def report(seconds: dict[str, list[float]]) -> None:
    one, four = (statistics.median(seconds[kind]) for kind in ("one", "four"))
    peak_gb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    print(
        f"median of {len(seconds['one'])} runs: one modality {one:.1f} s, four {four:.1f} s; peak"
        f" {peak_gb:.2f} GB"
    )
    print(
        json.dumps({"time_ratio_one_to_four": round(one / four, 3), "peak_gb": round(peak_gb, 2)})
    )


if __name__ == "__main__":
    main()
