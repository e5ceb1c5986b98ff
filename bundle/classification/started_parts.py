"""Weights of stage 1 for networks in which its experts are parts of something else."""

from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from torch import nn

from bundle.errors import SetupError
from bundle.mixture.features import OUTPUT_BLOCK
from bundle.weights.checkpoints import read_start
from bundle.weights.state_file import State

Network = TypeVar("Network", bound=nn.Module)


def start_within(
    network: Network,
    source: Path | str | Sequence[Path | str] | None,
    *,
    within: str,
    part: str | None = None,
) -> Network:
    """Return a network whose parts start as the experts that stage 1 trained.

    Args:
        network: receives the weights; all else stays as it is built.
        source: file of the experts, or several; None leaves the network as it is built.
        within: the network's mapping of modality to part that takes the place of ``experts``.
        part: of each of these, which is the expert; None where all of it is.

    Returns:
        The network. The output layers of experts are left out where it has none.

    Raises:
        SetupError: E_WEIGHTS, E_EXPERTS, the file is missing, damaged or of other experts.
    """
    if source is None:
        return network
    files = [Path(path) for path in ([source] if isinstance(source, str | Path) else source)]
    wanted = network.state_dict()
    state: State = {}
    for file in files:
        read = read_start(file)
        state |= {_renamed(name, within, part): value for name, value in read.items()}
    kept = {name: value for name, value in state.items() if name in wanted}
    odd = [name for name in state if name not in wanted and f".{OUTPUT_BLOCK}." not in name]
    odd += [name for name, value in kept.items() if value.shape != wanted[name].shape]
    if odd or not kept:
        raise SetupError(
            "E_WEIGHTS",
            f"The experts of {', '.join(map(str, files))} must fit the configured network; got"
            f" {odd or 'none'}. Use the configuration that they were trained with.",
        )
    network.load_state_dict(kept, strict=False)
    return network


def _renamed(name: str, within: str, part: str | None) -> str:
    """Say where a tensor of an expert belongs: ``experts.audio.first.bias`` and its like."""
    _, modality, rest = name.split(".", 2)
    return ".".join([within, modality, *([] if part is None else [part]), rest])
