"""Tells how training goes, one line per epoch."""

import logging
import time

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

    def attach(self, engine: Engine) -> None:
        """Follow a trainer."""
        engine.add_event_handler(Events.STARTED, self._start)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._collect)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self._report)

    def _start(self, _engine: Engine) -> None:
        self.started_s = time.monotonic()

    def _collect(self, engine: Engine) -> None:
        self.losses.append(float(engine.state.output["loss"].detach()))

    def _report(self, engine: Engine) -> None:
        done, total = engine.state.epoch, engine.state.max_epochs or engine.state.epoch
        left_s = (time.monotonic() - self.started_s) / done * (total - done)
        loss = sum(self.losses) / len(self.losses)
        self.losses.clear()
        score = self.evaluator.state.metrics.get(self.evaluator.state.key_metric_name)
        dice = "" if score is None else f", validation Dice {score:.3f} (best {self.evaluator.state.best_metric:.3f})"
        LOGGER.info("%s: epoch %d/%d, loss %.3f%s, %s left", self.stage, done, total, loss, dice, _clock(left_s))


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"
