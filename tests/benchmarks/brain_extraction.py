"""Seconds of one core and memory of cutting the brain out of each image in a folder.

    python -m tests.benchmarks.brain_extraction CASE [--weights FILE] [--float32]

Each image has a process of its own, so that the peaks are its own; seconds are those that the
system says it has used for the volume, the loading of the network left out. The peak is that of the
whole process. The last line is JSON.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

from bundle.brains.brain_extraction import BrainExtractor
from bundle.brains.brain_mask import volume_litres
from bundle.volumes.image_volume import read_volume

ENDINGS = (".nii", ".nii.gz", ".nrrd", ".mha")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("case", type=Path)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--float32", action="store_true", help="also where the CPU has bfloat16")
    parser.add_argument("--only", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.only:
        print(json.dumps(measure(arguments)))
        return
    images = sorted(path for path in arguments.case.iterdir() if path.name.endswith(ENDINGS))
    rows = {path.name: measure_apart(path) for path in images}
    for name, row in rows.items():
        print(f"{name}: {row['seconds']:.1f} s, {row['peak_gb']:.2f} GB, {row['litres']:.2f} l")
    print(json.dumps(rows))


def measure_apart(path: Path) -> dict:
    """Measure in a process that has one thread."""
    options = [option for option in sys.argv[2:] if option != str(path)]
    command = [sys.executable, "-m", "tests.benchmarks.brain_extraction", str(path), *options]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*command, "--only"], env=environment, capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout.splitlines()[-1])


def measure(arguments: argparse.Namespace) -> dict:
    extractor = BrainExtractor(arguments.weights, amp=False if arguments.float32 else "auto")
    volume = read_volume(arguments.case, case_id="benchmark", modality=arguments.case.name)
    before = time.process_time()
    mask = extractor(volume)
    return {
        "seconds": time.process_time() - before,
        "peak_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9,
        "litres": volume_litres(mask, volume.grid),
    }


if __name__ == "__main__":
    main()
