"""``series.csv``: what each series of a study is, for people to complete; it names no patient."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bundle.dicom.choice import Choice
from bundle.dicom.modality_rules import Judgement
from bundle.dicom.physics import shown_numbers
from bundle.dicom.series import Series
from bundle.errors import UsageError
from bundle.files.atomic_file import unescaped, write_csv
from bundle.files.table_file import read_table
from bundle.plain_text import printable
from bundle.tasks.task import Task

TABLE = "series.csv"
OPEN, NOTHING = "?", "none"
"""What stands under ``modality`` where somebody must decide, and where a series is not used."""

_NEEDED = ("series_uid", "modality")
COLUMNS = (
    *("modality", "number", "description", "protocol", "images", "dimensions", "numbers", "agent"),
    *("may_be", "why", "study_uid", "series_uid"),
)


@dataclass(frozen=True)
class Row:
    """A decision.

    Attributes:
        line: of the table.
        study_uid: empty if the table does not say.
        series_uid: ``Series.uid``.
        modality: None if the series is not used.
    """

    line: int
    study_uid: str
    series_uid: str
    modality: str | None


def write_series_table(
    path: Path,
    series: Sequence[Series],
    judgements: Mapping[str, Judgement],
    choice: Choice,
) -> None:
    """Write what is known of each series, with a question mark where it is not sure.

    Raises:
        OutputError: E_WRITE.
    """
    write_csv(path, COLUMNS, [table_row(one, judgements[one.uid], choice) for one in series])


def table_row(series: Series, judgement: Judgement, choice: Choice) -> dict[str, Any]:
    """Return one line of the table."""
    used = [name for name, one in choice.chosen.items() if one.series.uid == series.uid]
    decided = used[0] if used else OPEN if series.uid in choice.unclear else NOTHING
    agent = {True: "given", False: "none", None: ""}[series.first.agent]
    return {
        "modality": decided,
        "number": "" if series.first.number is None else series.first.number,
        "description": series.first.description,
        "protocol": series.first.protocol,
        "images": series.n_slices,
        "dimensions": series.measured.dimensions,
        "numbers": shown_numbers(series.measured),
        "agent": agent,
        "may_be": " ".join(judgement.possible),
        "why": choice.unclear.get(series.uid, judgement.why),
        "study_uid": series.first.study_uid,
        "series_uid": series.uid,
    }


def read_series_table(path: Path, task: Task) -> tuple[Row, ...]:
    """Read a table that somebody completed; other columns may be gone.

    Raises:
        UsageError: E_SERIES_TABLE, a line has no decision, or one that means nothing;
            E_DATALIST, the file is no table.
    """
    rows = read_table(path, lambda name: name.strip().lower() in COLUMNS)
    head = next(rows, (1, []))[1]
    names = [name.strip().lower() for name in head]
    missing = [name for name in _NEEDED if name not in names]
    if missing:
        raise _error(path, 1, f"must name the columns {', '.join(_NEEDED)}", " ".join(head))
    return tuple(_row(path, line, names, cells, task) for line, cells in rows)


def _row(path: Path, line: int, names: Sequence[str], cells: Sequence[str], task: Task) -> Row:
    if len(cells) != len(names):
        raise _error(path, line, f"must have {len(names)} cells", str(len(cells)))
    row = dict(zip(names, map(unescaped, cells), strict=True))
    return Row(line, row.get("study_uid", ""), row["series_uid"], _modality(path, line, row, task))


def _modality(path: Path, line: int, row: Mapping[str, str], task: Task) -> str | None:
    said = row["modality"]
    if said.lower() in (NOTHING, ""):
        return None
    rule = f"must say one of {', '.join(task.modality_names)} or {NOTHING} under modality"
    if said == OPEN:
        raise _error(path, line, rule, f"{OPEN}, which nobody has decided on")
    try:
        return task.canonical_modality(said)
    except ValueError:
        raise _error(path, line, rule, said) from None


def decisions(
    path: Path, rows: Iterable[Row], series: Sequence[Series]
) -> tuple[dict[str, Series], frozenset[str]]:
    """Find the series that a table means.

    Lines of other studies are passed over, so that one table may serve many.

    Returns:
        Modality to its series, and the uids of all series that the table decides on.

    Raises:
        UsageError: E_SERIES_TABLE, a line names no series of its study, or two name one modality.
    """
    by_uid = {one.uid: one for one in series}
    studies = {one.first.study_uid for one in series}
    found: dict[str, Series] = {}
    known: set[str] = set()
    for row in rows:
        if row.series_uid not in by_uid:
            if not row.study_uid or row.study_uid in studies:
                raise _error(path, row.line, "must name a series of the study", row.series_uid)
            continue
        if row.series_uid in known:
            raise _error(path, row.line, "must name a series once", row.series_uid)
        known.add(row.series_uid)
        if row.modality in found:
            raise _error(path, row.line, "must be the only one of its modality", row.modality or "")
        if row.modality is not None:
            found[row.modality] = by_uid[row.series_uid]
    return found, frozenset(known)


def _error(path: Path, line: int, rule: str, got: str) -> UsageError:
    return UsageError(
        "E_SERIES_TABLE",
        f"Line {line} of {printable(path.name)} {rule}; got {printable(got)[:80]}. Correct it, or"
        " write the table again with `simmlm series`.",
    )
