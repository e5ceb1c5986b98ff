"""Stops a training before its time is over, at the end of an epoch, so that it can go on later."""

import logging
import time

import ignite.distributed as idist
import torch
from ignite.engine import Engine, Events

LOGGER = logging.getLogger("simmlm")


class TimeLimit:
    """End the run when the next epoch might not fit into its time.

    For queues that kill what takes too long.

    Attach it after what stores the state.

    Args:
        minutes: from the start of the run; None is no limit.
    """

    def __init__(self, minutes: float | None) -> None:
        self.limit_s = float("inf") if minutes is None else minutes * 60
        self._started_s = 0.0
        self._epoch_started_s = 0.0
        self._longest_s = 0.0

    def attach(self, engine: Engine) -> None:
        """Follow a trainer."""
        engine.add_event_handler(Events.STARTED, self._start)
        engine.add_event_handler(Events.EPOCH_STARTED, self._start_epoch)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self._check)

    def _start(self) -> None:
        self._started_s = time.monotonic()
        self._longest_s = 0.0

    def _start_epoch(self) -> None:
        self._epoch_started_s = time.monotonic()

    def _check(self, engine: Engine) -> None:
        now = time.monotonic()
        self._longest_s = max(self._longest_s, now - self._epoch_started_s)
        over = torch.tensor(
            float(now - self._started_s + self._longest_s > self.limit_s), device=idist.device()
        )
        # All processes stop together, or one would wait for the others for ever.
        if (
            float(idist.all_reduce(over, op="MAX")) > 0
            and engine.state.epoch != engine.state.max_epochs
        ):
            LOGGER.info(
                "Time is over after epoch %d of %d",
                engine.state.epoch,
                engine.state.max_epochs or 0,
            )
            engine.terminate()


def is_finished(engine: Engine) -> bool:
    """Whether a trainer has done all its epochs."""
    return engine.state.epoch == engine.state.max_epochs
