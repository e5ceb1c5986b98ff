import io
import logging
from types import SimpleNamespace

import pytest
import torch
from ignite.engine import Engine, Events
from rich.console import Console

from bundle.training import progress
from bundle.training.history import Row
from bundle.training.progress import TrainingProgress, describe

ROWS: list[Row] = [
    {"epoch": 1, "seconds": 1800, "loss": 1.5, "hinge": 0.02, "dice": 0.25},
    {"epoch": 2, "seconds": 1800, "loss": 0.6, "hinge": 0.01},
    {"epoch": 3, "seconds": 1800, "loss": 0.15, "hinge": 0.0, "dice": 0.75},
]


def train(console: Console, rows: list[Row] = ROWS, done: int = 0, fail: bool = False) -> None:
    """Run the epochs after ``done`` with rows known beforehand."""
    history = SimpleNamespace(rows=list(rows[:done]))

    def step(*_: object) -> list[dict[str, torch.Tensor]]:
        if fail:
            raise ValueError("the step failed")
        return [{"loss": torch.tensor(2.5)}]

    engine = Engine(step)

    @engine.on(Events.STARTED)
    def _resume() -> None:
        engine.state.epoch, engine.state.iteration = done, 2 * done

    @engine.on(Events.EPOCH_COMPLETED)
    def _note() -> None:
        history.rows.append(rows[engine.state.epoch - 1])

    TrainingProgress("mixture", history, console).attach(engine)
    engine.run([None, None], max_epochs=len(rows))


def lines(caplog) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "simmlm"]


@pytest.fixture(autouse=True)
def _level(caplog):
    caplog.set_level(logging.INFO, logger="simmlm")


def terminal() -> Console:
    return Console(file=io.StringIO(), force_terminal=True, width=200)


def test_without_a_terminal_each_epoch_is_one_line(caplog):
    train(Console(file=io.StringIO()))
    assert lines(caplog) == [
        "mixture: epoch 1/3, loss 1.500, hinge 0.020, validation Dice 0.250, 1:00:00 left",
        "mixture: epoch 2/3, loss 0.600, hinge 0.010, 0:30:00 left",
        "mixture: epoch 3/3, loss 0.150, hinge 0.000, validation Dice 0.750, 0:00:00 left",
    ]


def test_a_training_that_goes_on_judges_the_remaining_time_by_its_own_epochs(caplog):
    rows = [{**row, "seconds": seconds} for row, seconds in zip(ROWS, (9000, 60, 60), strict=True)]
    train(Console(file=io.StringIO()), rows, done=1)
    assert lines(caplog)[0].endswith("0:01:00 left")


def test_on_a_terminal_there_is_a_bar_and_the_finished_epochs_stand_above_it(caplog):
    console = terminal()
    train(console)
    text = console.file.getvalue()
    assert lines(caplog) == []
    assert "mixture 3/3, loss 2.500" in text
    assert "6/6" in text
    assert "mixture: epoch 3/3, loss 0.150, hinge 0.000, validation Dice 0.750" in text


def test_a_failure_ends_the_bar_and_is_not_swallowed():
    console = terminal()
    with pytest.raises(ValueError, match="the step failed"):
        train(console, fail=True)
    assert console.file.getvalue().endswith("\x1b[?25h")  # the cursor is visible again


def test_an_epoch_of_stage_1_has_no_hinge():
    assert describe({"loss": 0.5}) == "loss 0.500"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0:00:00"), (59.6, "0:01:00"), (3599, "0:59:59"), (360000, "100:00:00")],
)
def test_a_time_is_hours_minutes_and_seconds(seconds, text):
    assert progress._clock(seconds) == text
