"""Averages weights of one network, such as those before and after a fine-tuning."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from bundle.errors import SetupError
from bundle.volume_networks.spacing import SPACING, spacing_in
from bundle.weights.checkpoints import export_state
from bundle.weights.state_file import State, read_weights


def average_weights(sources: Sequence[Path], target: Path) -> None:
    """Store the mean of weights in half precision with its checksum.

    What was learnt in a fine-tuning is kept for the most part, and what was known before is not
    forgotten, if the one started from the other.

    Args:
        sources: state dicts of one network.
        target: where the mean goes; its ``.sha256`` is written too.

    Raises:
        SetupError: a file cannot be read, or they are not of one network.
        OutputError: the mean cannot be written.

    Source: Wortsman et al. 2022, Robust fine-tuning of zero-shot models, arXiv:2109.01903, with
    the mixing coefficient 1/2 for two.
    """
    states = [read_weights(source) for source in sources]
    if any(SPACING in state for state in states):
        states = [_told(state) for state in states]
    first, *others = states
    for source, state in zip(sources[1:], others, strict=True):
        if _shapes(state) != _shapes(first) or spacing_in(state) != spacing_in(first):
            raise SetupError(
                "E_WEIGHTS",
                "Weights that are averaged must be of one network and spacing; got others in"
                f" {source} than in {sources[0]}. Average those that were trained from each other.",
            )
    means: dict[tuple[int, torch.Size], Tensor] = {}  # a tensor of two names stays one
    mean: State = {}
    for name, value in first.items():
        place = (value.data_ptr(), value.shape)
        if place not in means:
            means[place] = _mean([state[name] for state in states])
        mean[name] = means[place]
    export_state(mean, target)


def _told(state: State) -> State:
    """Let weights from before say the spacing, too."""
    return {**state, SPACING: torch.tensor(float(spacing_in(state)))}


def _shapes(state: State) -> dict[str, torch.Size]:
    return {name: value.shape for name, value in state.items()}


def _mean(values: Sequence[Tensor]) -> Tensor:
    if not values[0].is_floating_point():
        return values[0]
    return torch.stack([value.float() for value in values]).mean(dim=0)
