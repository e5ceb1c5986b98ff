"""Lays out the description of a data set for a terminal."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

MAX_ROWS = 20
"""Cases, grids and the like shown of each kind; the JSON holds all."""


def description_tables(description: Mapping[str, Any]) -> Iterator[Table]:
    """Return a table of the counts of ``case_facts.summarise``.

    Bad, unlabelled and unusual cases have tables of their own, if there are any.
    """
    yield _table("", ("what", "found"), list(_counts(description)))
    kinds = (
        ("unusable", "Not usable"),
        ("unlabelled", "Without a label"),
        ("warnings", "Worth a look"),
    )
    for key, title in kinds:
        rows = [(entry["case_id"], entry["reason"]) for entry in description[key]]
        if rows:
            yield _table(f"{title}: {len(rows)}", ("case", "reason"), rows)


def _counts(description: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield "layout", description["layout"]
    cases = (
        f"{description['n_cases']}, usable {description['n_usable']}, labelled"
        f" {description['n_labelled']}"
    )
    yield "cases", cases
    yield "patients", str(description["n_patients"])
    yield "modalities", _pairs(description["modalities"])
    yield "modality sets", _pairs(description["modality_sets"])
    yield "label numbering", _pairs(description["label_conventions"])
    yield "label values", _pairs(description["label_values"])
    for key, name in (("shapes", "shapes, voxels"), ("spacings_mm", "spacings, mm")):
        yield f"{name} ({len(description[key])})", _pairs(description[key])


def _pairs(counts: Mapping[str, int]) -> str:
    lines = [f"{name}: {count}" for name, count in counts.items()]
    return "\n".join(_shortened(lines)) or "-"


def _table(title: str, columns: tuple[str, str], rows: Sequence[tuple[str, str]]) -> Table:
    table = Table(title=title or None, title_justify="left", box=SIMPLE_HEAD)
    for column in columns:
        table.add_column(column, overflow="fold")  # a long path is broken, not cut
    for name, text in rows[:MAX_ROWS]:
        table.add_row(Text(name), Text(text))  # as text: a name such as [b] is no markup
    if len(rows) > MAX_ROWS:
        table.add_row(
            Text("..."), Text(f"and {len(rows) - MAX_ROWS} more; --json FILE writes them all")
        )
    return table


def _shortened(lines: list[str]) -> list[str]:
    return (
        lines
        if len(lines) <= MAX_ROWS
        else [*lines[:MAX_ROWS], f"and {len(lines) - MAX_ROWS} more"]
    )
