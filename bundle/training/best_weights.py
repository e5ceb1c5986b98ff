"""Keeps the weights that were best on the validation cases."""

import logging
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from ignite.engine import Engine, Events
from torch import Tensor, nn

from bundle.processes import is_first_process
from bundle.tasks.default import DEFAULT_TASK
from bundle.tasks.task import Task
from bundle.weights.state_file import read_weights, save_state

LOGGER = logging.getLogger("simmlm")


class BestWeights:
    """After each validation, keep every part of the network whose own score is the best so far.

    In stage 1 each expert is a part with a score of its own, so that no expert's best epoch depends
    on another expert. In stage 2 the mixture is the only part and its score the mean over all
    modality sets. A part that no validation case judges has the weights of the last validation, and
    a warning says so.

    Args:
        network: the network that is validated.
        path: the file of weights, a state dict with the tensors of all parts.
        parts: name of a part to the positions of its channels in the Dice scores; the name is the
            prefix of its tensors (``experts.t1c``). None is the whole network with all channels.
        score_name: the metric, which must keep its details: (N, C) Dice of N cases, NaN where not
            defined.
    """

    def __init__(
        self,
        network: nn.Module,
        path: Path | str,
        parts: Mapping[str, list[int]] | None = None,
        score_name: str = "val_mean_dice",
    ) -> None:
        self.network = network
        self.path = Path(path)
        self.parts: dict[str, list[int] | slice] = (
            {"": slice(None)} if parts is None else dict(parts)
        )
        self.score_name = score_name
        self.scores: dict[str, float] = {}
        self._is_warned = False

    def attach(self, engine: Engine) -> None:
        """Follow a validation engine."""
        engine.add_event_handler(Events.COMPLETED, self._keep)

    def state_dict(self) -> dict[str, float]:
        """Return the best scores so far; the weights are in the file."""
        return dict(self.scores)

    def load_state_dict(self, state: Mapping[str, float]) -> None:
        """Go on from ``state_dict``."""
        self.scores = dict(state)

    def _keep(self, engine: Engine) -> None:
        state: Any = engine.state
        details: Tensor = state.metric_details[self.score_name]
        now = {part: mean_score(details[:, channels]) for part, channels in self.parts.items()}
        unknown = [
            part for part, score in now.items() if math.isnan(score) and part not in self.scores
        ]
        improved = [part for part, score in now.items() if score > self.scores.get(part, -1.0)]
        better = [part for part in self.parts if part in unknown or part in improved]
        self._warn(unknown)
        if not better:
            return
        self.scores |= {part: now[part] for part in improved}
        if is_first_process():
            self._store(better)

    def _warn(self, unknown: list[str]) -> None:
        if unknown and not self._is_warned and is_first_process():
            names = ", ".join(part or "the network" for part in unknown)
            LOGGER.warning(
                "No validation case judges %s: kept are the weights of the last validation", names
            )
        self._is_warned = self._is_warned or bool(unknown)

    def _store(self, better: list[str]) -> None:
        """Replace the better parts in the file.

        A part that is not better stays as the file has it.
        """
        current = {
            name: value
            for name, value in self.network.state_dict().items()
            if self._part_of(name) is not None
        }
        kept = read_weights(self.path) if set(better) != set(self.parts) else {}
        save_state(
            {
                name: value if self._part_of(name) in better else kept[name]
                for name, value in current.items()
            },
            self.path,
        )

    def _part_of(self, name: str) -> str | None:
        return next(
            (part for part in self.parts if name.startswith(f"{part}." if part else "")), None
        )


def expert_parts(
    names: Sequence[str], n_regions: int, task: Task = DEFAULT_TASK
) -> dict[str, list[int]]:
    """Return the parts of stage 1: each expert with its channels among R * S, one set per expert,
    as ``SetsAsChannelsd`` lays them out.

    Args:
        names: modalities of the experts, in any order.
        n_regions: R.
        task: has the modalities' order.
    """
    ordered = task.in_order(names)
    n_sets = len(ordered)
    return {
        f"experts.{name}": list(range(s, n_regions * n_sets, n_sets))
        for s, name in enumerate(ordered)
    }


def mean_score(dice: Tensor) -> float:
    """Average Dice scores, leaving out those that are not defined; NaN if none is."""
    return float(torch.nanmean(dice.float()))
