"""Makes an epoch's randomness depend on seed and epoch alone, whatever happened before it."""

from typing import Protocol

import ignite.distributed as idist
import numpy as np
import torch
from ignite.engine import Engine, Events


class SeededByEpoch(Protocol):
    """A data set whose random transforms follow the epoch."""

    def set_epoch(self, epoch: int) -> None:
        """Take the epoch, counted from 1."""


class EpochRandomness:
    """Seed the data set's transforms and torch at the start of each epoch.

    Without it a training that goes on after an interruption would draw other crops and other
    dropout masks.

    Args:
        dataset: draws its samples from the epoch that it is told.
        seed: of the training.
    """

    def __init__(self, dataset: SeededByEpoch, seed: int) -> None:
        self.dataset = dataset
        self.seed = seed

    def attach(self, engine: Engine) -> None:
        """Follow a trainer."""
        engine.add_event_handler(Events.EPOCH_STARTED, self._seed)

    def _seed(self, engine: Engine) -> None:
        self.dataset.set_epoch(engine.state.epoch)
        entropy = np.random.SeedSequence([self.seed, engine.state.epoch, idist.get_rank()])
        torch.manual_seed(int(entropy.generate_state(1)[0]))
