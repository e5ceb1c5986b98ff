"""Says on the console how far a batch is, and what became of it."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import typer
from rich.progress import MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from bundle.batch.runner import OK, CaseOutcome, describe, log_outcome
from bundle.commands.options import ERRORS


@contextmanager
def reporting(task: str, n_cases: int) -> Iterator[Callable[[CaseOutcome], None]]:
    """Give what reports an outcome: one line each, and on a terminal a bar below them."""
    if not ERRORS.is_terminal:
        yield log_outcome
        return
    columns = (TextColumn("{task.description}"), *Progress.get_default_columns()[1:2], MofNCompleteColumn())
    with Progress(*columns, TimeRemainingColumn(), console=ERRORS, transient=True) as progress:
        bar = progress.add_task(task, total=n_cases)

        def advance(outcome: CaseOutcome) -> None:
            progress.advance(bar)
            progress.console.print(describe(outcome), highlight=False, markup=False)

        yield advance


def summarise(outcomes: Sequence[CaseOutcome], out: Path) -> None:
    """Count what came out, and end the command with status 1 if a case failed."""
    failed = sum(outcome.status != OK for outcome in outcomes)
    typer.echo(f"{len(outcomes)} cases: {len(outcomes) - failed} ok, {failed} failed. Results: {out / 'cases.csv'}")
    if failed:
        raise typer.Exit(1)
