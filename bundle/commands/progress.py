"""Says on the console how far a batch is."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from bundle.batch.runner import CaseOutcome, describe, log_outcome
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
