"""Says on the console how far a batch is, and what became of it."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import typer
from rich.progress import MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from bundle.cli.options import ERRORS
from bundle.cohorts.case_outcome import (
    OK,
    TABLE,
    CaseOutcome,
    describe,
    describe_warnings,
    log_outcome,
)
from bundle.plain_text import printable
from bundle.tasks.task import Task


@contextmanager
def reporting(work: str, n_cases: int, task: Task) -> Iterator[Callable[[CaseOutcome], None]]:
    """Return what reports an outcome: one line each, one per warning, and on a terminal a bar below
    them.
    """
    if not ERRORS.is_terminal:
        yield partial(log_outcome, task=task)
        return
    columns = (
        TextColumn("{task.description}"),
        *Progress.get_default_columns()[1:2],
        MofNCompleteColumn(),
    )
    with Progress(*columns, TimeRemainingColumn(), console=ERRORS, transient=True) as progress:
        bar = progress.add_task(work, total=n_cases)

        def advance(outcome: CaseOutcome) -> None:
            progress.advance(bar)
            for line in (describe(outcome, task), *describe_warnings(outcome)):
                progress.console.print(line, highlight=False, markup=False)

        yield advance


def summarise(outcomes: Sequence[CaseOutcome], out: Path) -> None:
    """Count what came out, and end the command with status 1 if a case failed."""
    failed = sum(outcome.status != OK for outcome in outcomes)
    warned = sum(bool(outcome.warnings) for outcome in outcomes)
    counts = f"{len(outcomes)} cases: {len(outcomes) - failed} ok, {failed} failed"
    counts += f", {warned} with warnings" if warned else ""
    typer.echo(f"{counts}. Results: {printable(str(out / TABLE))}")
    if failed:
        raise typer.Exit(1)
