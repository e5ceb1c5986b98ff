import logging
from types import SimpleNamespace

import pytest
import torch
from ignite.engine import Engine, Events

from bundle.training import progress
from bundle.training.progress import EpochLog


class Score(Engine):
    """An evaluator that gives scores known beforehand, as ``Evaluator`` keeps them."""

    def __init__(self, scores: list[float]) -> None:
        super().__init__(lambda *_: None)
        self.scores = iter(scores)
        self.add_event_handler(Events.COMPLETED, self._score)

    def _score(self, _engine: Engine) -> None:
        self.state.key_metric_name = "val_mean_dice"
        self.state.metrics["val_mean_dice"] = next(self.scores)

    def run(self, *_args, **_kwargs):
        return super().run([None], max_epochs=1)


@pytest.fixture
def lines(caplog, monkeypatch):
    """Train with chosen losses, half an hour per epoch, and give the lines."""

    def run(losses: list[list[float]], scores: list[float], val_interval: int = 1) -> list[str]:
        clock = SimpleNamespace(now=5.0)
        monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: clock.now))
        values = (torch.tensor(value) for epoch in losses for value in epoch)
        trainer = Engine(lambda *_: {"loss": next(values)})
        evaluator = Score(scores)

        @trainer.on(Events.EPOCH_STARTED)
        def pass_time() -> None:
            clock.now += 1800

        log = EpochLog("experts", evaluator)

        @trainer.on(Events.EPOCH_COMPLETED(every=val_interval))
        def validate() -> None:
            evaluator.run()

        log.attach(trainer)
        with caplog.at_level(logging.INFO, logger="simmlm"):
            trainer.run([None] * len(losses[0]), max_epochs=len(losses))
        return [record.getMessage() for record in caplog.records if record.name == "simmlm"]

    return run


def test_each_epoch_is_one_line_with_its_mean_loss_its_score_and_the_time_left(lines):
    assert lines([[1.0, 2.0], [0.5, 0.7], [0.1, 0.2]], [0.25, 0.5, 0.75]) == [
        "experts: epoch 1/3, loss 1.500, validation Dice 0.250, 1:00:00 left",
        "experts: epoch 2/3, loss 0.600, validation Dice 0.500, 0:30:00 left",
        "experts: epoch 3/3, loss 0.150, validation Dice 0.750, 0:00:00 left",
    ]


def test_an_epoch_without_validation_shows_no_old_score(lines):
    assert ["Dice" in line for line in lines([[1.0]] * 4, [0.25, 0.5], val_interval=2)] == [False, True, False, True]


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00:00"), (59.6, "0:01:00"), (3599, "0:59:59"), (360000, "100:00:00")]
)
def test_a_time_is_hours_minutes_and_seconds(seconds, text):
    assert progress._clock(seconds) == text
