"""The list of the cases of an output folder: one page, however many they are."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bundle import __version__
from bundle.errors import OutputError
from bundle.files.atomic_file import appearing_at_once
from bundle.files.json_file import script_json
from bundle.outputs.report.cohort_rows import (
    STATUSES,
    CohortRow,
    cohort_rows,
    run_facts,
)
from bundle.outputs.report.histogram import share_histogram, volume_histogram
from bundle.outputs.report.page import asset, render
from bundle.outputs.report.visits import visits
from bundle.outputs.run_files import FAILED, INDEX, RECORD
from bundle.plain_text import printable
from bundle.tasks.task import Task

GENERATOR = b'<meta name="generator" content="SimMLM">'
"""By this a page of this program is known."""

_HEAD_BYTES = 4096

_STATES = {
    "running": "The run was still going on when this page was made.",
    "stopped": "The run was stopped before it was through: some cases were not reached.",
}


def check_index(out: Path) -> bool:
    """Whether a list of cases is there, which must not grow old beside new results.

    Raises:
        OutputError: E_EXISTS, a file of that name is somebody else's.
    """
    path = out / INDEX
    if not path.exists():
        return False
    if GENERATOR not in path.read_bytes()[:_HEAD_BYTES]:
        raise OutputError(
            "E_EXISTS",
            f"{path} must be a list of cases by this program, to be replaced; it is not. Choose"
            " another folder, or move the file away.",
        )
    return True


def write_index(out: Path, task: Task) -> Path:
    """Write ``OUT/index.html`` from the table of outcomes and the results that lie there.

    Args:
        out: an output folder.
        task: of the network.

    Returns:
        The page.

    Raises:
        UserError: the table cannot be read.
        OutputError: E_WRITE, or E_EXISTS as ``check_index``.
    """
    check_index(out)
    path = out / INDEX
    page = index_page(out, task).encode("utf-8")
    with appearing_at_once(path) as file:
        file.write(page)
    return path


def index_page(out: Path, task: Task) -> str:
    """Return the HTML of the list."""
    rows = cohort_rows(out, task)
    run = run_facts(out / RECORD)
    counts = Counter(row.status for row in rows)
    return render(
        "index.html",
        [asset("common.css"), asset("index.css")],
        [asset("index.js")],
        folder=printable(out.resolve().name),
        task=task,
        date=f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        version=__version__,
        n_cases=len(rows),
        counts=[(words, counts[status], status) for status, words in STATUSES.items()],
        state=_STATES.get(str(run.get("state")), ""),
        run=_run_rows(run),
        failures=_failures(rows),
        histograms=_histograms(rows, task),
        labels=[label.name for label in task.labels],
        data=script_json(_data(rows, task)),
    )


def _failures(rows: Sequence[CohortRow]) -> list[tuple[str, int, str]]:
    """Count failures by the code of their errors, each with the reason of one case."""
    failed = [row for row in rows if row.status == FAILED]
    codes = Counter(_code(row.reason) for row in failed)
    examples = {_code(row.reason): row.reason for row in reversed(failed)}
    return [(code, count, examples[code]) for code, count in codes.most_common()]


def _code(reason: str) -> str:
    code, colon, _ = reason.partition(":")
    return code if colon and code.startswith("E_") else "other"


def _histograms(rows: Sequence[CohortRow], task: Task) -> list[Any]:
    volumes = [row.total_ml for row in rows if row.total_ml is not None]
    entropies = [row.entropy for row in rows if row.entropy is not None]
    drawn = [
        volume_histogram(f"Volume of {task.finding}", volumes),
        share_histogram(f"Doubt: mean entropy in {task.finding}", "bit", entropies),
    ]
    return [one for one in drawn if one is not None]


def _run_rows(run: Mapping[str, Any]) -> list[tuple[str, str]]:
    identity = run.get("identity")
    known = identity if isinstance(identity, dict) else {}
    facts = {name: run.get(name) for name in ("started", "ended")}
    facts |= {name: known.get(name) for name in ("version", "task", "weights_sha256")}
    settings = known.get("settings")
    facts |= settings if isinstance(settings, dict) else {}
    return [
        (printable(str(name)).replace("_", " "), printable(str(value)))
        for name, value in facts.items()
        if value is not None
    ]


def _data(rows: Sequence[CohortRow], task: Task) -> dict[str, Any]:
    """Return what the page's script shows, with no word twice: ten thousand rows are a megabyte."""
    statuses = list(STATUSES)
    bits = {name: 1 << index for index, name in enumerate(task.modality_names)}
    packed = [
        [
            row.case_id,
            statuses.index(row.status),
            row.reason,
            sum(bits[name] for name in row.modalities),
            row.n_warnings,
            None if row.entropy is None else round(row.entropy, 3),
            row.has_page + 2 * row.has_picture,
            *(round(volume, 2) for volume in row.volumes_ml.values()),
        ]
        for row in rows
    ]
    return {
        "statuses": [[status, words] for status, words in STATUSES.items()],
        "modalities": [modality.title for modality in task.modalities],
        "labels": [label.name for label in task.labels],
        "rows": packed,
        "patients": [[rows[group[0]].patient, group] for group in visits(rows)],
    }
