"""What training did, epoch by epoch: a table and a picture of it."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import ignite.distributed as idist
import torch
from ignite.engine import Engine, Events
from matplotlib.figure import Figure
from torch import Tensor, nn
from torch.optim import Optimizer

from bundle.files.atomic_file import write_csv
from bundle.files.figures import save_figure
from bundle.processes import is_first_process

Row = dict[str, float]
Value = TypeVar("Value")


class History:
    """Collect one row per epoch: loss and its parts, learning rate, validation Dice, seconds.

    The table ``STAGE.csv`` is written anew after each epoch, the picture ``STAGE.png`` at the end.
    Attach it after the validation handler, so that a row has the score of its own epoch.

    Args:
        folder: receives table and picture.
        stage: their name.
        loss: the loss function; what its ``parts`` (name to scalar) hold after each step is
            averaged too.
        optimizer: its learning rate is noted.
        evaluator: the validation engine; its key metric is noted. None where nothing validates.
    """

    def __init__(
        self,
        folder: Path | str,
        stage: str,
        loss: nn.Module,
        optimizer: Optimizer,
        evaluator: Engine | None = None,
    ) -> None:
        self.folder = Path(folder)
        self.stage = stage
        self.loss = loss
        self.optimizer = optimizer
        self.evaluator = evaluator
        self.rows: list[Row] = []
        self._started_s = 0.0
        self._steps: list[dict[str, Tensor]] = []
        self._score: float | None = None

    def attach(self, engine: Engine) -> None:
        """Follow a trainer."""
        engine.add_event_handler(Events.EPOCH_STARTED, self._start)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._collect)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self._finish_epoch)
        engine.add_event_handler(Events.COMPLETED, self._draw)
        if self.evaluator is not None:
            self.evaluator.add_event_handler(Events.COMPLETED, self._keep_score)

    def state_dict(self) -> dict[str, list[Row]]:
        """Return all rows."""
        return {"rows": [dict(row) for row in self.rows]}

    def load_state_dict(self, state: Mapping[str, list[Row]]) -> None:
        """Go on from ``state_dict``."""
        self.rows = [dict(row) for row in state["rows"]]

    def _start(self) -> None:
        self._started_s = time.monotonic()
        self._steps.clear()
        self._score = None

    def _collect(self, engine: Engine) -> None:
        state: Any = engine.state
        parts: Mapping[str, Tensor] = getattr(self.loss, "parts", {})
        values = {"loss": state.output[0]["loss"], **parts}
        self._steps.append({name: value.detach().float() for name, value in values.items()})

    def _keep_score(self, evaluator: Engine) -> None:
        state: Any = evaluator.state
        self._score = float(state.metrics[state.key_metric_name])

    def _finish_epoch(self, engine: Engine) -> None:
        row: Row = {"epoch": engine.state.epoch, "seconds": time.monotonic() - self._started_s}
        row["learning_rate"] = self.optimizer.param_groups[0]["lr"]
        row |= epoch_means(self._steps)
        if self._score is not None:
            row["dice"] = self._score
        self.rows.append(row)
        if is_first_process():
            columns = list(dict.fromkeys(name for each in self.rows for name in each))
            write_csv(self.folder / f"{self.stage}.csv", columns, self.rows)

    def _draw(self) -> None:
        if is_first_process() and self.rows:
            save_figure(curve(self.rows, self.stage), self.folder / f"{self.stage}.png")


def epoch_means(steps: list[dict[str, Tensor]]) -> Row:
    """Average every value over the steps that have it and over all processes."""
    means = {name: float(torch.stack(values).mean()) for name, values in _by_name(steps).items()}
    everywhere: list[Row] = [means] * idist.get_world_size()
    if len(everywhere) > 1:
        torch.distributed.all_gather_object(everywhere, means)
    return {name: sum(values) / len(values) for name, values in _by_name(everywhere).items()}


def _by_name(rows: Sequence[Mapping[str, Value]]) -> dict[str, list[Value]]:
    values: dict[str, list[Value]] = {}
    for row in rows:
        for name, value in row.items():
            values.setdefault(name, []).append(value)
    return values


def curve(rows: list[Row], title: str) -> Figure:
    """Draw the loss, and the validation Dice where there is one, over the epochs."""
    figure = Figure(figsize=(8, 4.5), dpi=120, layout="constrained")
    left = figure.add_subplot()
    epochs = [row["epoch"] for row in rows]
    losses = [row["loss"] for row in rows]
    left.plot(epochs, losses, color="tab:blue", label="loss")
    left.set(xlabel="epoch", ylabel="training loss", title=title)
    scored = [row for row in rows if "dice" in row]
    if scored:
        right = left.twinx()
        scored_epochs = [row["epoch"] for row in scored]
        dice = [row["dice"] for row in scored]
        right.plot(scored_epochs, dice, "o-", color="tab:orange", label="Dice")
        right.set(ylabel="validation Dice, mean over sets and regions", ylim=(0, 1))
    figure.legend(loc="outside lower center", ncols=2, frameon=False)
    return figure
