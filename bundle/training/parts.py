"""The parts of a network that a stage trains, each with gradients of its own."""

from collections.abc import Sequence

from torch import nn

from bundle.errors import UsageError
from bundle.mixture.dmome import DMoME
from bundle.mixture.mixers import StaticMixer


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


def gate_alone(network: nn.Module) -> nn.ModuleList:
    """Return the gate, and freeze everything else: no gradient is computed for it.

    Raises:
        UsageError: E_USAGE, the network has no gate, or its mixer does not ask it.
    """
    gate = getattr(network, "gate", None)
    if gate is None or any(isinstance(part, StaticMixer) for part in network.modules()):
        raise UsageError(
            "E_USAGE",
            f"The gate alone can learn only where a gate weighs the experts; got {_kind(network)}."
            " Leave out gate_alone or held_out_gate, or the other overlay.",
        )
    network.requires_grad_(False)
    gate.requires_grad_(True)
    return nn.ModuleList([gate])


def _kind(network: nn.Module) -> str:
    mixer = getattr(network, "mixer", None)
    return " with ".join(type(part).__name__ for part in (network, mixer) if part is not None)


def all_parts(network: nn.Module) -> nn.ModuleList:
    """Return every expert, and everything beside the experts that has weights, such as the gate."""
    parts = nn.ModuleList()
    for child in network.children():
        parts.extend(child.values() if isinstance(child, nn.ModuleDict) else [child])
    return nn.ModuleList(part for part in parts if list(part.parameters()))
