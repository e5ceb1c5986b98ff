"""Says what the series of a DICOM study are."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bundle.cli.options import TaskOption, chosen_task, exit_codes, expanded
from bundle.plain_text import printable

if TYPE_CHECKING:
    from bundle.dicom.study import StudySeries

SeriesOption = Annotated[
    Path | None,
    typer.Option(
        "--series",
        metavar="FILE",
        help="series.csv that says which series is which modality.",
        callback=expanded,
    ),
]


def series(
    study: Annotated[
        Path,
        typer.Argument(metavar="STUDY", help="Folder of one DICOM study.", callback=expanded),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", help="Also write the table, to be completed.", callback=expanded
        ),
    ] = None,
    series_table: SeriesOption = None,
    task: TaskOption = None,
) -> None:
    """List the series of a DICOM study: which modality each is taken for, and why. Exit status 1 if
    it is not sure for all.
    """
    with exit_codes():
        declared = chosen_task(task)
        from bundle.dicom.series_table import write_series_table
        from bundle.dicom.study import find_series
        from bundle.dicom.study_list import UNNAMED

        known = find_series(study, task=declared, case_id=UNNAMED, series_table=series_table)
        Console().print(_table(known))
        for warning in known.choice.warnings:
            typer.echo(printable(warning))
        if out is not None:
            write_series_table(out, known.series, known.judgements, known.choice)
        if known.choice.unclear or not known.choice.chosen:
            raise typer.Exit(1)


def _table(known: "StudySeries") -> Table:
    from bundle.dicom.series_table import table_row

    table = Table("modality", "number", "description", "images", "why")
    evidence = {one.series.uid: one.evidence for one in known.choice.chosen.values()}
    for one in known.series:
        row = table_row(one, known.judgements[one.uid], known.choice)
        row["why"] = "; ".join(evidence.get(one.uid, ())) or row["why"]
        names = ("modality", "number", "description", "images", "why")
        table.add_row(*(Text(printable(str(row[name]))) for name in names))
    return table
