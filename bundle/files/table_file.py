"""Reads tables as spreadsheets export them: separated by commas, semicolons or tabs."""

import csv
import re
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

from bundle.errors import UsageError
from bundle.files.text_file import read_text, shown

ENDINGS = (".csv", ".tsv")
"""Of the names of tables, in any case."""

_SEPARATORS = (",", ";", "\t")
_EXCEL_HINT = re.compile(r'"?sep=(.)"?', re.I)


def read_table(path: Path, is_known: Callable[[str], bool]) -> Iterator[tuple[int, list[str]]]:
    """Return the rows of a table that are not blank, each with the line where it begins.

    The first names the columns.

    Args:
        path: a CSV or TSV file.
        is_known: tells the name of a column. What separates them is what gives the most known names
            in the first row: to guess it from all characters fails where paths hold commas or texts
            semicolons.

    Raises:
        UsageError: E_DATALIST, while it is read: it is no text, or a quote is not closed.
    """
    text = read_text(path, "a CSV table", "E_DATALIST")
    skipped, separator = _separator(text, is_known)
    lines = islice(_lines(text), skipped, None)
    table = csv.reader(lines, delimiter=separator, strict=True, skipinitialspace=True)
    line = skipped + 1
    try:
        for cells in table:
            if any(map(str.strip, cells)):
                yield line, [cell.strip() for cell in cells]
            line = skipped + table.line_num + 1
    except csv.Error as error:
        place = f"{error} in line {line}"
        raise UsageError(
            "E_DATALIST",
            f"{shown(path)} must be a CSV table in UTF-8; got: {place}. Correct it, or export it"
            " again.",
        ) from None


def _separator(text: str, is_known: Callable[[str], bool]) -> tuple[int, str]:
    """Tell what separates columns, and how many lines stand before the table: Excel's ``sep=;``."""
    lines = list(islice(_lines(text), 10))
    written = [number for number, line in enumerate(lines) if line.strip(' \t\r\n,;"')]
    if not written:
        return 0, _SEPARATORS[0]
    hint = _EXCEL_HINT.fullmatch(lines[written[0]].strip())
    if hint is not None and hint.group(1) in _SEPARATORS:
        return written[0] + 1, hint.group(1)
    names = {separator: _names(lines[written[0]], separator) for separator in _SEPARATORS}
    return 0, max(_SEPARATORS, key=lambda separator: sum(map(is_known, names[separator])))


def _lines(text: str) -> Iterator[str]:
    """Cut a text after its line ends, where ``splitlines`` would also cut after characters that
    paths may hold.
    """
    end = "\n" if "\n" in text else "\r"
    start = 0
    while start < len(text):
        stop = (text.find(end, start) + 1) or len(text)
        yield text[start:stop]
        start = stop


def _names(line: str, separator: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=separator, strict=True, skipinitialspace=True), [])
    except csv.Error:
        return []
