"""The parts of a network that a stage trains, each with gradients of its own."""

from collections.abc import Sequence

from torch import nn

from bundle.errors import UsageError
from bundle.mixture.dmome import DMoME


def chosen_experts(network: DMoME, names: Sequence[str]) -> nn.ModuleList:
    """Return the experts of some modalities, in the network's order.

    Raises:
        UsageError: a name is not one of the network's modalities, or there is none.
    """
    unknown = [name for name in names if name not in network.modalities]
    if unknown or not names:
        raise UsageError(
            "E_EXPERTS",
            f"The experts to train must be among {', '.join(network.modalities)}; got"
            f" {', '.join(unknown) or 'none'}.",
        )
    return nn.ModuleList(network.experts[name] for name in network.modalities if name in names)


def gate_alone(network: DMoME) -> nn.ModuleList:
    """Return the gate, and freeze everything else: no gradient is computed for it."""
    network.requires_grad_(False)
    network.gate.requires_grad_(True)
    return nn.ModuleList([network.gate])


def all_parts(network: nn.Module) -> nn.ModuleList:
    """Return every expert, and everything beside the experts that has weights, such as the gate."""
    parts = nn.ModuleList()
    for child in network.children():
        parts.extend(child.values() if isinstance(child, nn.ModuleDict) else [child])
    return nn.ModuleList(part for part in parts if list(part.parameters()))
