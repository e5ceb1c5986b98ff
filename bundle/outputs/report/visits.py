"""The visits of one patient, in the order that their names tell."""

import re
from collections.abc import Sequence

from bundle.outputs.report.cohort_rows import CohortRow

_NUMBER = re.compile(r"(\d+)")


def visits(rows: Sequence[CohortRow]) -> list[list[int]]:
    """Group the results of patients who have several.

    Returns:
        One list per patient, in the order of their names: positions in ``rows``, first visit first.
    """
    patients: dict[str, list[int]] = {}
    for index, row in enumerate(rows):
        if row.total_ml is not None:
            patients.setdefault(row.patient, []).append(index)
    return [
        sorted(patients[name], key=lambda index: natural(rows[index].case_id))
        for name in sorted(patients, key=natural)
        if len(patients[name]) > 1
    ]


def natural(name: str) -> list[tuple[int, str]]:
    """Make a key that orders names by the numbers in them: visit 2 comes before visit 10."""
    parts = _NUMBER.split(name)
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]
