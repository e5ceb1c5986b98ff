"""Measures the list of ten thousand cases: how long it takes to write, how large it is, and how
long a browser takes to open it.

    python -m tests.benchmarks.index_page [--cases 10000]

The last line is JSON. The browser is Chromium, where it and node are installed.
"""

import argparse
import json
import random
import resource
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

from bundle.files.atomic_file import write_csv
from bundle.outputs.report.index_page import write_index
from bundle.tasks.default import DEFAULT_TASK
from tests.browser.chromium import visit

READY = {"wait": "document.body.dataset.list === 'ready'"}
PAGE = {
    "opened_ms": "performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd",
    "sorted_ms": (
        "(() => { const start = performance.now();"
        " document.querySelector('button[data-sort=total]').click();"
        " return performance.now() - start; })()"
    ),
    "elements": "document.querySelectorAll('*').length",
    "pictures_loaded": (
        "performance.getEntriesByType('resource').filter(one => one.name.endsWith('.jpg')).length"
    ),
}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--cases", type=int, default=10_000)
    n_cases = parser.parse_args().cases
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        draw_results(out, n_cases)
        start = time.monotonic()
        page = write_index(out, DEFAULT_TASK)
        seconds = time.monotonic() - start
        found: dict[str, Any] = {
            "cases": n_cases,
            "written_s": round(seconds, 2),
            "page_mb": round(page.stat().st_size / 1e6, 2),
            "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        }
        if shutil.which("chromium") and shutil.which("node"):
            seen = visit(page, READY, *({"run": text} for text in PAGE.values()))
            found |= dict(zip(PAGE, map(round, seen.results[1:]), strict=True))
    print(json.dumps(found))


def draw_results(out: Path, n_cases: int) -> None:
    """Write facts of cases, two visits to a patient, one of twenty failed; pages and pictures are
    empty files.
    """
    chance = random.Random(0)
    rows = []
    for index in range(n_cases):
        case_id = f"BraTS-GLI-{index // 2:05d}-{index % 2:03d}"
        if chance.random() < 0.05:
            reason = f"E_CRC: {case_id}, t2f: the gzip stream must be undamaged; got incorrect data"
            rows.append({"case_id": case_id, "status": "failed", "reason": reason})
            continue
        rows.append({"case_id": case_id, "status": "ok", "reason": ""})
        folder = out / case_id
        folder.mkdir()
        facts = {
            "case_id": case_id,
            "modalities": list(chance.choice(DEFAULT_TASK.modality_sets())),
            "volumes_ml": {one.name: chance.lognormvariate(2, 1) for one in DEFAULT_TASK.labels},
            "mean_entropy_in_tumour": chance.betavariate(2, 3),
            "warnings": ["odd"] * (chance.random() < 0.1),
            "versions": {"simmlm": "0"},
        }
        (folder / f"{case_id}.json").write_text(json.dumps(facts))
        (folder / f"{case_id}_report.html").touch()
        (folder / f"{case_id}_thumbnail.jpg").touch()
    write_csv(out / "cases.csv", ("case_id", "status", "reason"), rows)


if __name__ == "__main__":
    main()
