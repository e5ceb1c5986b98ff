"""Time and memory of segmenting one whole case, per number of modalities: the table of
docs/README.md.

    python -m tests.benchmarks.resources [CASE_FOLDER] [--device cpu]

Without a folder a phantom of 240 x 240 x 155 voxels is drawn. Each number of modalities has a
process of its own, so that the peaks are its own. In it the network is loaded once, the first run
is not counted, and each time goes from reading the files to the last map on disk. Seconds are
medians; they depend on the machine, unlike the ratios.
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

import torch

from bundle.configuration import load_config, parse_settings
from bundle.devices import choose_device
from bundle.names.file_names import find_images
from tests.benchmarks.modalities import draw_case

SETS = (("t1c",), ("t1c", "t2f"), ("t1n", "t1c", "t2f"), ("t1n", "t1c", "t2w", "t2f"))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("case_folder", nargs="?", type=Path)
    parser.add_argument(
        "--runs", type=int, default=3, help="of each, after one that is not counted"
    )
    parser.add_argument("--device", default="cpu")
    parser.add_argument(
        "--set", action="append", default=[], help="setting of configs/inference.yaml, KEY=VALUE"
    )
    parser.add_argument("--only", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.only:
        print(json.dumps(measure(arguments)))
        return
    with tempfile.TemporaryDirectory() as work:
        folder = arguments.case_folder or draw_case(Path(work))
        report([measure_apart(arguments, folder, modalities) for modalities in SETS])


def measure_apart(arguments: argparse.Namespace, folder: Path, modalities: tuple[str, ...]) -> dict:
    """Measure in another process."""
    own = [
        str(folder),
        "--runs",
        str(arguments.runs),
        "--device",
        arguments.device,
        "--only",
        ",".join(modalities),
    ]
    settings = [part for value in arguments.set for part in ("--set", value)]
    command = [sys.executable, "-m", "tests.benchmarks.resources", *own, *settings]
    finished = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(finished.stdout.splitlines()[-1])


def measure(arguments: argparse.Namespace) -> dict:
    """Segment one case several times from some of its modalities."""
    images = find_images(arguments.case_folder, arguments.case_folder.name)
    modalities = arguments.only.split(",")
    case = {"case_id": "case", "image": {modality: images[modality] for modality in modalities}}
    seconds, ends = [], [0.0]

    def note(outcome) -> None:
        assert outcome.status == "ok", outcome.reason
        seconds.append(time.perf_counter() - ends[0])
        ends[0] = time.perf_counter()

    with tempfile.TemporaryDirectory() as out:
        values = {
            "cases": (case,) * (arguments.runs + 1),
            "output_dir": Path(out),
            "device_name": arguments.device,
        }
        runner = load_config(
            "inference.yaml", {**values, **parse_settings(arguments.set)}
        ).get_parsed_content("case_runner")
        runner.report = note
        ends[0] = time.perf_counter()
        runner.run()
    result = {"modalities": len(modalities), "seconds": statistics.median(seconds[1:])}
    result["peak_gb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    if choose_device(arguments.device).type == "cuda":
        result["peak_gpu_gb"] = torch.cuda.max_memory_reserved() / 1024**3
    return result


def report(rows: list[dict]) -> None:
    gpu = "peak_gpu_gb" in rows[0]
    print(f"| modalities | time | ratio | peak memory |{' peak GPU memory |' if gpu else ''}")
    print(f"| ---: | ---: | ---: | ---: |{' ---: |' if gpu else ''}")
    for row in rows:
        ratio = row["seconds"] / rows[0]["seconds"]
        line = (
            f"| {row['modalities']} | {row['seconds']:.1f} s | {ratio:.2f} | {row['peak_gb']:.1f}"
            " GB |"
        )
        print(f"{line} {row['peak_gpu_gb']:.1f} GB |" if gpu else line)
    print(json.dumps(rows))


if __name__ == "__main__":
    main()
