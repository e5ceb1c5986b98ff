"""How often the true volume of a label lies in the interval that a result gives for it.

    python -m tests.benchmarks.volume_intervals CASES [--set KEY=VALUE]

Each labelled case of a folder is segmented from all of its modalities. The last line is JSON: per
label in how many of the cases the truth lay in the interval, the median width of the interval and
the median error of the volume itself, in ml; and what the intervals cost, as a share of the CPU
time of a case.
"""

import argparse
import json
import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np

from bundle.cases.label_map import read_label_map
from bundle.configuration import parse_settings
from bundle.datasets.case_files import case_label
from bundle.datasets.labelled_cases import labelled_cases
from bundle.inference import map_facts
from bundle.segmenter import Segmenter
from bundle.tasks.default import DEFAULT_TASK


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("cases", type=Path)
    parser.add_argument("--set", action="append", default=[], help="KEY=VALUE")
    arguments = parser.parse_args()
    segment = Segmenter(**parse_settings(arguments.set))
    spent = watch_intervals()
    rows, shares = [], []
    for case in labelled_cases(arguments.cases):
        spent.clear()
        begin = time.process_time()
        result = segment(case["image"], case_id=case["case_id"]).result
        shares.append(sum(spent) / (time.process_time() - begin))
        for name, true_ml in true_volumes_ml(case).items():
            low, high = result["volume_intervals_ml"][name]
            rows.append((name, low, result["volumes_ml"][name], high, true_ml))
            print(f"{case['case_id']}, {name}: {low} to {high} ml, true {true_ml:.3f}", flush=True)
    print(json.dumps({**summary(rows), "cpu_share": round(statistics.median(shares[1:]), 4)}))


def watch_intervals() -> list[float]:
    """Note the CPU seconds of every call for intervals from now on."""
    spent: list[float] = []
    count = map_facts.voxel_intervals

    def timed(*arguments: Any) -> Any:
        begin = time.process_time()
        counted = count(*arguments)
        spent.append(time.process_time() - begin)
        return counted

    map_facts.voxel_intervals = timed
    return spent


def true_volumes_ml(case: dict[str, Any]) -> dict[str, float]:
    label = read_label_map(
        case_label(case), case_id=case["case_id"], declared=case.get("label_convention")
    )
    voxel_ml = abs(float(np.linalg.det(label.grid.affine[:3, :3]))) / 1000
    return {
        one.name: float((label.values == one.value).sum() * voxel_ml) for one in DEFAULT_TASK.labels
    }


def summary(rows: list[tuple[str, float, float, float, float]]) -> dict[str, Any]:
    figures = {}
    for label in DEFAULT_TASK.labels:
        own = [row[1:] for row in rows if row[0] == label.name]
        figures[label.name] = {
            "in_interval": sum(low <= true <= high for low, _, high, true in own),
            "cases": len(own),
            "width_ml": round(statistics.median(high - low for low, _, high, _ in own), 1),
            "error_ml": round(statistics.median(abs(one - true) for _, one, _, true in own), 1),
        }
    return figures


if __name__ == "__main__":
    main()
