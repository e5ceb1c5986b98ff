"""What runs the experts of a network: torch, or OpenVINO on a CPU."""

import importlib.util
import logging
from collections.abc import Mapping, Sequence
from copy import copy

import torch
from torch import nn

from bundle.inference.runtimes.expert_cache import ExpertCache, cache_folder
from bundle.inference.runtimes.openvino_expert import OpenVinoExpert, fingerprint
from bundle.inference.runtimes.openvino_models import version_and_cpu
from bundle.mixture.modality_network import ModalityNetwork

LOGGER = logging.getLogger("simmlm")

AUTO, TORCH, OPENVINO = RUNTIMES = ("auto", "torch", "openvino")

_CANNOT = "OpenVINO cannot run the experts, so torch does"
_EXPERTS, _ONE = "experts", "unet"  # what networks call the parts that are run as a whole


class Runtime:
    """Runs experts by torch, as they are; others derive from it.

    Attributes:
        name: what was chosen; where it fails torch takes over.
        warnings: sentences on what failed, each once.
    """

    name = TORCH

    def __init__(self) -> None:
        self.warnings: list[str] = []
        self._used: set[str] = set()

    def on(self, device: torch.device | str) -> str:  # noqa: ARG002
        """Name what runs the experts of a network on a device, if nothing fails."""
        return self.name

    def prepare(self, network: nn.Module) -> nn.Module:
        """Return the network with experts that this runtime runs; the given one stays as it is."""
        return network

    def begin_case(self) -> None:
        """Forget what ran the last case."""
        self._used.clear()

    @property
    def used(self) -> str:
        """What ran the experts since the case began: ``openvino``, ``torch``, or both."""
        return ", ".join(sorted(self._used)) or TORCH

    def warn(self, sentence: str) -> None:
        """Say once, here and in results, that something failed."""
        if sentence not in self.warnings:
            self.warnings.append(sentence)
            LOGGER.warning("%s", sentence)


class OpenVinoRuntime(Runtime):
    """Runs experts by OpenVINO on the CPU, each converted once from its weights.

    In another process it starts anew: what is compiled stays where it was made.

    Args:
        is_asked_for: warn where the network is not on the CPU.
    """

    name = OPENVINO

    def __init__(self, *, is_asked_for: bool = False) -> None:
        super().__init__()
        self.is_asked_for = is_asked_for
        self._last: tuple[nn.Module, str, nn.Module] | None = None

    def on(self, device: torch.device | str) -> str:
        """Name what runs the experts of a network on a device, if nothing fails."""
        return OPENVINO if torch.device(device).type == "cpu" else TORCH

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_last": None}

    def prepare(self, network: nn.Module) -> nn.Module:
        """Return the network with other experts; the last network is remembered, by its weights."""
        experts = _experts_of(network)
        if self.on(_device_of(experts)) == TORCH:
            if self.is_asked_for:
                self.warn(f"{_CANNOT}: it needs --device cpu.")
            return network
        if not experts:
            return network
        weights = " ".join(map(fingerprint, experts))
        if self._last is None or self._last[0] is not network or self._last[1] != weights:
            self._last = None  # so that two networks are never in memory
            cache = self._cache()
            swapped = {
                id(expert): OpenVinoExpert(expert, cache, self.warn, self._used.add)
                for expert in experts
            }
            self._last = (network, weights, _with_experts(network, swapped))
        return self._last[2]

    def _cache(self) -> ExpertCache | None:
        try:
            return ExpertCache(cache_folder() / "openvino")
        except RuntimeError as error:
            self.warn(f"Experts that were converted for OpenVINO are not kept: {error}")
            return None


def choose_runtime(name: str) -> Runtime:
    """Make the runtime of the experts.

    It asks for no device: MONAI Label writes the one that a client names into the config, as text
    that nothing may read which is built there. What counts is where the network is.

    Args:
        name: ``torch``; ``openvino``; or ``auto``, OpenVINO where it is installed and the network
            is on a CPU. Where OpenVINO was named or is installed but cannot be used, a warning
            says why.
    """
    is_installed = importlib.util.find_spec("openvino") is not None
    if name == TORCH or (name == AUTO and not is_installed):
        return Runtime()
    problem = _problem(is_installed)
    if problem is None:
        return OpenVinoRuntime(is_asked_for=name == OPENVINO)
    runtime = Runtime()
    runtime.warn(f"{_CANNOT}: {problem}.")
    return runtime


def runtime_on(runtime: Runtime, device: torch.device | str, *, bfloat16: bool = False) -> str:
    """Name what runs the experts of a network on a device if nothing fails, for the configs."""
    return TORCH if bfloat16 else runtime.on(device)


def _problem(is_installed: bool) -> str | None:
    """Say why OpenVINO cannot be used; None if it can."""
    if not is_installed:
        return 'it is not installed; pip install -e ".[openvino]" does that'
    if not torch.backends.cpu.get_cpu_capability().startswith("AVX"):
        return "the CPU must have AVX2; this one has not"
    try:
        version_and_cpu()
    except Exception as error:  # whatever a broken installation raises
        return str(error).strip().partition("\n")[0].rstrip(".") or repr(error)
    return None


def _experts_of(network: nn.Module) -> list[nn.Module]:
    """List the parts of a network that can be run elsewhere, each from one tensor to one."""
    if not isinstance(network, ModalityNetwork):  # one that was exported
        return []
    children = dict(network.named_children())
    several = children.get(_EXPERTS)
    experts = list(several.values()) if isinstance(several, nn.ModuleDict) else []
    return experts + ([children[_ONE]] if _ONE in children else [])


def _device_of(experts: Sequence[nn.Module]) -> torch.device:
    weights = (weight for expert in experts for weight in expert.parameters())
    return next((weight.device for weight in weights), torch.device("cpu"))


def _with_experts(network: nn.Module, swapped: Mapping[int, OpenVinoExpert]) -> nn.Module:
    """Copy a network, all of its other parts shared, with other modules for some."""
    clone = copy(network)
    clone._modules = dict(network._modules)
    several = clone._modules.get(_EXPERTS)
    if isinstance(several, nn.ModuleDict):
        others = {name: swapped.get(id(expert), expert) for name, expert in several.items()}
        clone._modules[_EXPERTS] = nn.ModuleDict(others)
    one = clone._modules.get(_ONE)
    if one is not None:
        clone._modules[_ONE] = swapped.get(id(one), one)
    return clone
