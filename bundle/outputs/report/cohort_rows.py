"""What the list of cases says of each case: from the table of outcomes and the cases' results."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bundle.errors import UserError
from bundle.files.atomic_file import unescaped
from bundle.files.json_file import read_json
from bundle.files.table_file import read_table
from bundle.names.case_ids import patient_of
from bundle.outputs.earlier_results import read_result
from bundle.outputs.report.case_words import mean_entropy
from bundle.outputs.report.report_names import report_names
from bundle.outputs.report.written_results import result_names
from bundle.outputs.run_files import FAILED, FIRST_COLUMNS, LEFT, OK, SKIPPED, TABLE
from bundle.plain_text import printable
from bundle.tasks.task import Task

EARLIER = "earlier"
STATUSES = {
    FAILED: "failed",
    LEFT: "not reached",
    OK: "done",
    SKIPPED: "done before",
    EARLIER: "of an earlier run",
}
"""Status to its words, in the order of the list."""


@dataclass(frozen=True)
class CohortRow:
    """One case of the list.

    Attributes:
        case_id: as it can be shown.
        status: a key of ``STATUSES``.
        reason: why it failed, after the code of the error.
        modalities: that were acquired.
        n_warnings: what was accepted although it is unusual.
        volumes_ml: label to volume; empty if there is no result.
        entropy: mean within what was found, bit; None where nothing was, or nobody says.
        patient: whose visit it is.
        has_page: whether its report is there.
        has_picture: whether its small picture is there.
    """

    case_id: str
    status: str
    reason: str = ""
    modalities: tuple[str, ...] = ()
    n_warnings: int = 0
    volumes_ml: Mapping[str, float] = field(default_factory=dict)
    entropy: float | None = None
    patient: str = ""
    has_page: bool = False
    has_picture: bool = False

    @property
    def total_ml(self) -> float | None:
        """Volume of all that was found; None without a result."""
        return sum(self.volumes_ml.values()) if self.volumes_ml else None


def cohort_rows(out: Path, task: Task) -> list[CohortRow]:
    """Read what is known of the cases of an output folder, failures first.

    Results that the table does not name, as it is of the latest run only, come last.

    Raises:
        UserError: the table cannot be read.
    """
    rows = {}
    for case_id, status, reason in _outcomes(out / TABLE):
        rows[case_id] = _row(out, case_id, status, reason, task)
    for case_id in result_names(out):
        if printable(case_id) not in rows:
            rows[printable(case_id)] = _row(out, case_id, EARLIER, "", task)
    order = list(STATUSES)
    return sorted(rows.values(), key=lambda row: order.index(row.status))


def _outcomes(path: Path) -> Iterator[tuple[str, str, str]]:
    """Read case, status and reason of each line of the table; none without a table."""
    if not path.is_file():
        return
    lines = read_table(path, lambda name: name in FIRST_COLUMNS)
    _, header = next(lines, (0, []))
    places = [header.index(name) if name in header else None for name in FIRST_COLUMNS]
    for _, cells in lines:
        values = [
            cells[place] if place is not None and place < len(cells) else "" for place in places
        ]
        case_id, status, reason = values
        if status in STATUSES:
            yield printable(unescaped(case_id)), status, printable(unescaped(reason))


def _row(out: Path, case_id: str, status: str, reason: str, task: Task) -> CohortRow:
    shown = printable(case_id)
    is_name = Path(case_id).name == case_id
    has_result = is_name and status in (OK, SKIPPED, EARLIER)
    facts = read_result(out / case_id, case_id) if has_result else None
    if facts is None:
        return CohortRow(shown, status, reason, patient=patient_of(shown))
    page, picture = report_names(case_id)
    return CohortRow(
        shown,
        status,
        reason,
        task.in_order(_texts(facts.get("modalities"))),
        len(_texts(facts.get("warnings"))),
        _volumes(facts, task),
        mean_entropy(facts, task),
        patient_of(shown),
        (out / case_id / page).is_file(),
        (out / case_id / picture).is_file(),
    )


def _volumes(facts: Mapping[str, Any], task: Task) -> dict[str, float]:
    volumes = facts.get("volumes_ml") or {}
    return {label.name: float(volumes.get(label.name, 0)) for label in task.labels}


def _texts(values: Any) -> list[str]:
    return [str(value) for value in values] if isinstance(values, list) else []


def run_facts(path: Path) -> Mapping[str, Any]:
    """Read what a run says of itself; nothing where it says nothing that can be read."""
    try:
        facts = read_json(path)
    except UserError:
        return {}
    return facts if isinstance(facts, dict) else {}
