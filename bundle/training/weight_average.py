"""Averages the weights over training steps: smoother than the last step, and what is validated and
kept.
"""

from functools import partial

import torch
from ignite.engine import Engine, Events
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel


class WeightAverage:
    """Keep an exponential moving average of a network's weights, updated after every step.

    The decay grows with the number of steps, ``min(decay, (1 + n) / (10 + n))``, so that the
    average never remembers the random start. A decay of 0 follows the network itself.

    Args:
        network: the trained network; it is left alone.
        decay: share of the old average that stays, 0 to less than 1. An average of about ``1 / (1 -
            decay)`` steps.

    Raises:
        ValueError: ``decay`` is out of range.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        if not 0 <= decay < 1:
            raise ValueError(f"decay must be at least 0 and less than 1; got {decay}.")
        self.network = network
        self.averaged = AveragedModel(network, multi_avg_fn=partial(_blend, decay))

    @property
    def module(self) -> nn.Module:
        """The network with the averaged weights: a copy, of the same class."""
        return self.averaged.module

    def attach(self, engine: Engine) -> None:
        """Follow a trainer."""
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._update)

    def state_dict(self) -> dict[str, Tensor]:
        """Return the averaged weights and the number of steps."""
        state: dict[str, Tensor] = self.averaged.state_dict()
        return state

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Go on from ``state_dict``."""
        self.averaged.load_state_dict(state)

    def _update(self) -> None:
        self.averaged.update_parameters(self.network)


def _blend(
    decay: float, averaged: list[Tensor], current: list[Tensor], n_averaged: Tensor | int
) -> None:
    n = int(n_averaged)
    keep = min(decay, (1 + n) / (10 + n))
    torch._foreach_lerp_(averaged, current, 1 - keep)
