"""``cases.csv``: grows while cases are run, and ends with one row per case in their order."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bundle.cohorts.case_outcome import CaseOutcome
from bundle.errors import OutputError
from bundle.files.atomic_file import csv_line, write_csv
from bundle.files.growing_file import GrowingFile
from bundle.outputs.run_files import FIRST_COLUMNS


class CaseTable:
    """Writes the outcomes of a run.

    Args:
        path: of the table; one of an earlier run is replaced when the first outcome is known.
        columns: their names.
    """

    def __init__(self, path: Path, columns: Sequence[str]) -> None:
        self.path, self.columns = path, tuple(columns)
        self._rows: list[dict[str, Any]] = []
        self._file: GrowingFile | None = None

    def check(self) -> None:
        """Refuse to replace a table that is somebody else's, such as the list of cases itself.

        Raises:
            OutputError: E_EXISTS.
        """
        if _first_cells(self.path) not in (None, FIRST_COLUMNS):
            raise OutputError(
                "E_EXISTS",
                f"{self.path} must be a table of this program, to be replaced; it is not. Choose"
                " another folder.",
            )

    def add(self, outcome: CaseOutcome) -> None:
        """Add a row at the end.

        Raises:
            OutputError: E_WRITE.
        """
        if self._file is None:
            write_csv(self.path, self.columns, ())
            self._file = GrowingFile(self.path)
        row = outcome.row()
        self._file.add(csv_line(self.columns, row))
        self._rows.append(row)

    def finish(self, order: Sequence[int]) -> None:
        """Write all rows in an order.

        Args:
            order: for each row in that order, which one of those added it is.

        Raises:
            OutputError: E_WRITE, the table stays as it grew.
        """
        if list(order) != list(range(len(order))):
            write_csv(self.path, self.columns, (self._rows[number] for number in order))

    def close(self) -> None:
        """Give the table up."""
        if self._file is not None:
            self._file.close()


def read_rows(path: Path) -> tuple[tuple[str, ...], list[list[str]]]:
    """Return columns and rows of a table, each cell as it stands.

    Raises:
        OSError, csv.Error, UnicodeError: it cannot be read.
    """
    with path.open(newline="", encoding="utf-8") as file:
        columns, *rows = csv.reader(file)
    return tuple(columns), rows


def _first_cells(path: Path) -> tuple[str, ...] | None:
    try:
        with path.open(newline="", encoding="utf-8", errors="replace") as file:
            first = next(csv.reader(file), [])
    except FileNotFoundError:
        return None
    except (OSError, csv.Error) as error:
        first = [str(error)]
    return tuple(first[: len(FIRST_COLUMNS)])
