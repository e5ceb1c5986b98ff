import csv
from pathlib import Path

import pytest
import torch
from ignite.engine import Engine, Events
from PIL import Image
from torch import nn

from bundle.training.history import History, curve


class Loss(nn.Module):
    """A loss whose parts are known beforehand."""

    def __init__(self) -> None:
        super().__init__()
        self.parts: dict[str, torch.Tensor] = {}


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


def run(
    folder: Path, losses: list[list[float]], scores: list[float], val_interval: int = 1
) -> History:
    """Train with chosen losses; every second step has a hinge, as large as the loss."""
    loss, evaluator = Loss(), Score(scores)
    values = iter([value for epoch in losses for value in epoch])

    def step(engine: Engine, _batch: None) -> list[dict[str, torch.Tensor]]:
        value = torch.tensor(next(values), requires_grad=True)
        loss.parts = {"hinge": value.detach()} if engine.state.iteration % 2 == 0 else {}
        return [{"loss": value}]

    trainer = Engine(step)

    @trainer.on(Events.EPOCH_COMPLETED(every=val_interval))
    def _validate() -> None:
        evaluator.run()

    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.25)
    history = History(folder, "mixture", loss, optimizer, evaluator)
    history.attach(trainer)
    trainer.run([None] * len(losses[0]), max_epochs=len(losses))
    return history


def test_a_row_has_the_means_of_its_epoch(tmp_path):
    (row,) = run(tmp_path, [[1.0, 2.0, 4.5, 0.5]], [0.25]).rows
    assert row.pop("seconds") >= 0
    assert row == {"epoch": 1, "learning_rate": 0.25, "loss": 2.0, "hinge": 1.25, "dice": 0.25}


def test_an_epoch_without_validation_has_no_score(tmp_path):
    rows = run(tmp_path, [[1.0]] * 4, [0.25, 0.5], val_interval=2).rows
    assert [row.get("dice") for row in rows] == [None, 0.25, None, 0.5]


def test_the_table_has_a_row_per_epoch_and_an_empty_field_where_there_is_no_value(tmp_path):
    run(tmp_path, [[1.0, 2.0], [3.0, 5.0]], [0.5], val_interval=2)
    with (tmp_path / "mixture.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [(row["epoch"], row["loss"], row["dice"]) for row in rows] == [
        ("1", "1.5", ""),
        ("2", "4.0", "0.5"),
    ]


def test_the_picture_is_drawn_at_the_end(tmp_path):
    run(tmp_path, [[1.0], [0.5]], [0.25, 0.5])
    with Image.open(tmp_path / "mixture.png") as image:
        assert min(image.size) > 400


def test_the_picture_shows_loss_and_dice_over_the_epochs():
    rows = [{"epoch": 1, "loss": 2.0}, {"epoch": 2, "loss": 1.5, "dice": 0.4}]
    left, right = curve(rows, "mixture").axes
    assert left.lines[0].get_xydata().tolist() == [[1, 2.0], [2, 1.5]]
    assert right.lines[0].get_xydata().tolist() == [[2, 0.4]]


def test_rows_that_are_stored_and_loaded_are_gone_on_with(tmp_path):
    first = run(tmp_path, [[1.0]], [0.5])
    second = History(tmp_path, "mixture", first.loss, first.optimizer, first.evaluator)
    second.load_state_dict(first.state_dict())
    assert second.rows == first.rows
    assert second.rows[0] is not first.rows[0]


@pytest.mark.parametrize("rows", [[], [{"epoch": 1, "loss": 1.0}]])
def test_a_history_of_any_length_can_be_stored(tmp_path, rows):
    history = run(tmp_path, [[1.0]], [0.5])
    history.load_state_dict({"rows": rows})
    assert history.state_dict() == {"rows": rows}
