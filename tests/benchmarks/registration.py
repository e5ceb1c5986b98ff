"""Error of registration for known displacements, in mm, and what it takes.

    python -m tests.benchmarks.registration [--cases 3] [--data ../shared/data/brats2021]

The scans of an exam lie on one grid. Each but the reference is said to lie elsewhere, by a turn and
a shift that are known, and registered. The error is the mean distance, over the brain, between
where a scan is put and where it belongs. `searched` is that of the search alone; `error` is after
the decision to leave a scan where it was. Real exams share one brain mask, the edge of which helps;
what their own registration left is part of the error. Without --data only a drawn exam is measured.
Prints a table in Markdown; the last line is JSON.
"""

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from bundle.datasets.case_files import case_files
from bundle.datasets.listing import list_cases
from bundle.registration.pyramid import Pyramid
from bundle.registration.registration import register
from bundle.registration.search import find_move
from bundle.registration.world import distance_mm
from bundle.tasks.default import DEFAULT_TASK
from bundle.volumes.image_volume import Volume, read_volume
from tests.registration.displaced import (
    DISPLACEMENTS,
    displaced,
    displacement,
    drawn_exam,
    head_points,
)

COLUMNS = ("moved_mm", "searched_mm", "error_mm", "seconds")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cases", type=int, default=3, help="real exams")
    parser.add_argument("--data", type=Path, help="folder of real exams")
    options = parser.parse_args()
    rows: list[dict] = []
    for kind, exam in exams(options.data, options.cases):
        for row in measured(exam):
            rows.append({"exam": kind, **row})
            print(json.dumps(rows[-1]), flush=True)
    report(rows)


def exams(data: Path | None, n_cases: int) -> Iterator[tuple[str, dict[str, Volume]]]:
    """Yield drawn and real exams."""
    yield "drawn", drawn_exam()
    for case in list_cases(data)[:n_cases] if data else ():
        files = case_files(case)
        yield (
            "real",
            {
                name: read_volume(Path(file), case_id=case["case_id"], modality=name)
                for name, file in files.items()
            },
        )


def measured(exam: dict[str, Volume]) -> Iterator[dict]:
    """Register every scan of an exam from every displacement."""
    first = DEFAULT_TASK.opened_first[0]
    reference = Pyramid(exam[first])
    points = head_points(exam[first], 997)
    centre = points.mean(axis=0)
    for modality in (name for name in exam if name != first):
        for name in DISPLACEMENTS:
            known = displacement(name, centre)
            scan = displaced(exam[modality], known)
            searched = find_move(Pyramid(scan), reference).move
            began = time.process_time()
            found = register(scan, reference)
            yield {
                "modality": modality,
                "displacement": name,
                "moved_mm": distance_mm(known, np.eye(4), points),
                "searched_mm": distance_mm(searched @ known, np.eye(4), points),
                "error_mm": distance_mm(found.move @ known, np.eye(4), points),
                "seconds": time.process_time() - began,
                "flagged": bool(found.problem),
                "left": not found.is_moved,
            }


def report(rows: list[dict]) -> None:
    """Print means, and the largest error, per kind of exam, modality and displacement."""
    print(
        "| exam | modality | moved by | search alone | error | largest | left | flagged | CPU s |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    groups: dict[tuple[str, str, str], list[dict]] = {}
    for row in rows:
        key = (row["exam"], row["modality"], row["displacement"])
        groups.setdefault(key, []).append(row)
    for (exam, modality, name), group in groups.items():
        mean = {column: np.mean([row[column] for row in group]) for column in COLUMNS}
        print(
            f"| {exam} | {modality} | {name} ({mean['moved_mm']:.0f}) | {mean['searched_mm']:.2f} |"
            f" {mean['error_mm']:.2f} | {max(row['error_mm'] for row in group):.2f} |"
            f" {sum(row['left'] for row in group)} of {len(group)} |"
            f" {sum(row['flagged'] for row in group)} | {mean['seconds']:.1f} |"
        )
    print(json.dumps({"rows": rows}))


if __name__ == "__main__":
    main()
