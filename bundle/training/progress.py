"""Tells how training goes: a bar on a terminal, and one line per epoch."""

import logging
from typing import Any

from ignite.engine import Engine, Events
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from bundle.processes import is_first_process
from bundle.training.history import History, Row

LOGGER = logging.getLogger("simmlm")


class TrainingProgress:
    """Report loss, ranking hinge, validation Dice and remaining time.

    Silent in all processes but the first.

    Attach it after the history, whose rows it shows.

    Args:
        stage: name of the training stage.
        history: gives the values of the finished epochs.
        console: where the bar is drawn if it is a terminal; standard error by default.
    """

    def __init__(self, stage: str, history: History, console: Console | None = None) -> None:
        self.stage = stage
        self.history = history
        self.console = console or Console(stderr=True)
        self._bar: Progress | None = None
        self._run_rows = 0

    def attach(self, engine: Engine) -> None:
        """Follow a trainer."""
        if is_first_process():
            engine.add_event_handler(Events.STARTED, self._start)
            engine.add_event_handler(Events.ITERATION_COMPLETED, self._advance)
            engine.add_event_handler(Events.EPOCH_COMPLETED, self._report)
            engine.add_event_handler(Events.COMPLETED | Events.TERMINATE, self._stop)
            engine.add_event_handler(Events.EXCEPTION_RAISED, self._stop_and_raise)

    def _start(self, engine: Engine) -> None:
        self._run_rows = 0
        n_steps = (engine.state.epoch_length or 0) * (engine.state.max_epochs or 0)
        if self.console.is_terminal:
            columns = (
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("steps,"),
            )
            self._bar = Progress(
                *columns, TimeRemainingColumn(), TextColumn("left"), console=self.console
            )
            self._bar.add_task(self.stage, total=n_steps)
            self._bar.start()

    def _advance(self, engine: Engine) -> None:
        if self._bar is not None:
            state: Any = engine.state
            text = (
                f"{self.stage} {state.epoch}/{state.max_epochs}, loss"
                f" {state.output[0]['loss'].item():.3f}"
            )
            last = f", last epoch {describe(self.history.rows[-1])}" if self.history.rows else ""
            self._bar.update(
                self._bar.task_ids[0], completed=state.iteration, description=text + last
            )

    def _report(self, engine: Engine) -> None:
        done, total = engine.state.epoch, engine.state.max_epochs or engine.state.epoch
        left = _clock(self._remaining_s(done, total))
        line = f"{self.stage}: epoch {done}/{total}, {describe(self.history.rows[-1])}, {left} left"
        if self._bar is None:
            LOGGER.info("%s", line)
        else:
            self._bar.console.print(line, highlight=False)

    def _remaining_s(self, done: int, total: int) -> float:
        """Judge by this run alone: a training that goes on has epochs that cost it no time."""
        self._run_rows += 1
        seconds = [row["seconds"] for row in self.history.rows[-self._run_rows :]]
        return sum(seconds) / len(seconds) * (total - done)

    def _stop(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _stop_and_raise(self, _engine: Engine, error: BaseException) -> None:
        self._stop()
        raise error


def describe(row: Row) -> str:
    """Say what an epoch reached."""
    hinge = f", hinge {row['hinge']:.3f}" if "hinge" in row else ""
    dice = f", validation Dice {row['dice']:.3f}" if "dice" in row else ""
    return f"loss {row['loss']:.3f}{hinge}{dice}"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"
