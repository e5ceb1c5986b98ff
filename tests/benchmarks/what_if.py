"""What it costs to tell what would be found without each modality, as a share of the exam.

    python -m tests.benchmarks.what_if [CASE_FOLDER] [--runs 3] [--set KEY=VALUE ...]

The case is segmented by turns with `volumes_per_set` and without it, file to file, in one process
that loaded everything before. CPU seconds of one thread, medians of the runs. Without a folder a
phantom of 240 x 240 x 155 voxels is drawn. The last line is JSON; `extra_ratio` is what is asked.
"""

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path

import torch

from bundle.cohorts.cohort_segmentation import segment_cases
from bundle.configuration import parse_settings
from bundle.datasets.listing import list_cases
from tests.benchmarks.modalities import draw_case


def main() -> None:
    """Print medians and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("case", type=Path, nargs="?")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--set", action="append", default=[], dest="settings")
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        cases = list_cases(options.case or draw_case(root / "drawn"))[:1]
        given = {**parse_settings(options.settings), "again": True}
        seconds: dict[bool, list[float]] = {False: [], True: []}
        for run in range(options.runs + 1):  # the first of each is not counted
            for asked, taken in seconds.items():
                started = time.process_time()
                (outcome,) = segment_cases(
                    cases, root / "out", settings={**given, "volumes_per_set": asked}
                )
                if outcome.reason:
                    raise SystemExit(outcome.reason)
                if run:
                    taken.append(time.process_time() - started)
    plain, asked = (statistics.median(seconds[flag]) for flag in (False, True))
    extra = (asked - plain) / plain
    print(f"without: {plain:.2f} CPU s; with volumes_per_set: {asked:.2f} CPU s; {extra:+.1%}")
    print(json.dumps({"extra_ratio": round(extra, 4), "cpu_s": round(plain, 3)}))


if __name__ == "__main__":
    main()
