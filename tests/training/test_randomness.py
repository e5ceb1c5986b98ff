import torch
from ignite.engine import Engine

from bundle.training.randomness import EpochRandomness


class Epochs:
    """A data set that remembers the epochs it was told."""

    def __init__(self) -> None:
        self.told: list[int] = []

    def set_epoch(self, epoch: int) -> None:
        self.told.append(epoch)


def draws(seed: int, n_epochs: int, extra: int = 0) -> tuple[list[int], list[float]]:
    """Draw a number per epoch; ``extra`` more draws per epoch stand for anything that a run may do
    besides.
    """
    drawn = []

    def step(*_: object) -> None:
        drawn.append(torch.rand(()).item())
        torch.rand(extra)

    dataset, engine = Epochs(), Engine(step)
    EpochRandomness(dataset, seed).attach(engine)
    engine.run([None], max_epochs=n_epochs)
    return dataset.told, drawn


def test_the_data_set_is_told_every_epoch():
    assert draws(0, 3)[0] == [1, 2, 3]


def test_an_epoch_draws_the_same_whatever_happened_before_it():
    assert draws(0, 3)[1] == draws(0, 3, extra=5)[1]


def test_epochs_and_seeds_draw_differently():
    numbers = draws(0, 4)[1] + draws(1, 4)[1]
    assert len(set(numbers)) == len(numbers)
