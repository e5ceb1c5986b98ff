"""Tells how training goes, one line per epoch."""

import logging
import time
from typing import Any

from ignite.engine import Engine, Events

LOGGER = logging.getLogger("simmlm")


class EpochLog:
    """Log loss, validation score and remaining time at the end of every epoch.

    Attach it after the validation handler, so that the line shows the score of its own epoch.

    Args:
        stage: name of the training stage, first word of each line.
        evaluator: the validation engine; its key metric is shown.
    """

    def __init__(self, stage: str, evaluator: Engine) -> None:
        self.stage = stage
        self.evaluator = evaluator
        self.started_s = 0.0
        self.losses: list[float] = []
        self.score: float | None = None

    def attach(self, engine: Engine) -> None:
        """Follow a trainer."""
        engine.add_event_handler(Events.STARTED, self._start)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._collect)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self._report)
        self.evaluator.add_event_handler(Events.COMPLETED, self._keep_score)

    def _start(self, _engine: Engine) -> None:
        self.started_s = time.monotonic()

    def _collect(self, engine: Engine) -> None:
        state: Any = engine.state
        self.losses.append(float(state.output["loss"].detach()))

    def _keep_score(self, evaluator: Engine) -> None:
        state: Any = evaluator.state
        self.score = float(state.metrics[state.key_metric_name])

    def _report(self, engine: Engine) -> None:
        done, total = engine.state.epoch, engine.state.max_epochs or engine.state.epoch
        left_s = (time.monotonic() - self.started_s) / done * (total - done)
        loss = sum(self.losses) / len(self.losses)
        self.losses.clear()
        dice = "" if self.score is None else f", validation Dice {self.score:.3f}"
        self.score = None
        LOGGER.info("%s: epoch %d/%d, loss %.3f%s, %s left", self.stage, done, total, loss, dice, _clock(left_s))


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"
