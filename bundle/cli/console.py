"""Says on the console how far a batch is, and what became of it."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import typer
from rich.progress import MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from bundle.cli.options import ERRORS
from bundle.cohorts.case_outcome import CaseOutcome, describe, describe_warnings, log_outcome
from bundle.outputs.run_files import FAILED, LEFT, OK, SKIPPED, TABLE
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
            told = () if outcome.status == SKIPPED else describe_warnings(outcome)
            for line in (describe(outcome, task), *told):
                progress.console.print(line, highlight=False, markup=False)

        yield advance


def summarise(outcomes: Sequence[CaseOutcome], out: Path) -> None:
    """Count what came out, and end the command with status 1 if a case failed."""
    became = Counter(outcome.status for outcome in outcomes)
    warned = sum(bool(outcome.warnings) for outcome in outcomes if outcome.status == OK)
    counts = f"{len(outcomes)} cases: {became[OK]} ok, {became[FAILED]} failed"
    counts += f", {became[SKIPPED]} done before" if became[SKIPPED] else ""
    counts += f", {became[LEFT]} left" if became[LEFT] else ""
    counts += f", {warned} with warnings" if warned else ""
    typer.echo(f"{counts}. Results: {printable(str(out / TABLE))}")
    if became[FAILED]:
        raise typer.Exit(1)
