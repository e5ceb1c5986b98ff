"""An expert that OpenVINO runs, and torch where OpenVINO cannot."""

import math
import os
import threading
from collections import OrderedDict
from collections.abc import Callable

import torch
from torch import Tensor, nn

from bundle.files.hashes import sha256_of
from bundle.inference.runtimes.expert_cache import ConvertedExpert, ExpertCache
from bundle.inference.runtimes.openvino_models import (
    CompiledExpert,
    convert,
    version_and_cpu,
)

BOUND = 1e-4
"""How much a converted expert may differ from torch, as a share of its largest output."""

MAX_SHAPES = 2
"""Shapes of windows for which an expert stays compiled, those used last."""

LARGE_WINDOW = 2**20
"""Voxels of a window from which on the memory of feature maps is given back after each.

It is 150 MB per million voxels and expert; to get it again takes a tenth of the window's time.
"""

_EXAMPLE = 64
_FORMAT = "2"  # of what is converted how


class RefusedError(RuntimeError):
    """A converted expert does not say what the original says."""


class OpenVinoExpert(nn.Module):
    """Stands in for an expert, which keeps its weights and takes over where something fails.

    Args:
        expert: in evaluation mode; takes one tensor and returns one.
        cache: keeps converted experts; None for none.
        warn: called with a sentence if something fails.
        told: called with the runtime's name for every input.
    """

    def __init__(
        self,
        expert: nn.Module,
        cache: ExpertCache | None,
        warn: Callable[[str], None],
        told: Callable[[str], None],
    ) -> None:
        super().__init__()
        self.expert = expert
        self._cache, self._warn, self._told = cache, warn, told
        self._converted: ConvertedExpert | None = None
        self._compiled: OrderedDict[tuple[object, ...], CompiledExpert] = OrderedDict()
        self._lock = threading.Lock()
        self._process = os.getpid()
        self._failed = False

    def forward(self, values: Tensor) -> Tensor:
        """Return what the expert says of (B, C, ...)."""
        said = self._said(values) if self._can_take(values) else None
        self._told("torch" if said is None else "openvino")
        return self.expert(values) if said is None else said

    def _can_take(self, values: Tensor) -> bool:
        """Whether this is plain inference in the process that made this object, in float32.

        OpenVINO's threads do not live on in a fork. In bfloat16 it changes several times as many
        voxels as torch does for a fifth less time.
        """
        learns = torch.is_grad_enabled() and (
            values.requires_grad or any(w.requires_grad for w in self.expert.parameters())
        )
        is_exact = values.dtype == torch.float32 and not torch.is_autocast_enabled("cpu")
        is_plain = values.device.type == "cpu" and is_exact
        own = os.getpid() == self._process
        return is_plain and own and not (learns or self._failed or self.expert.training)

    def _said(self, values: Tensor) -> Tensor | None:
        try:
            with self._lock:
                compiled = self._compiled_for(values)
                said = compiled(values)
                if math.prod(values.shape) // values.shape[1] >= LARGE_WINDOW:
                    compiled.release_memory()
        except Exception as error:  # OpenVINO raises many kinds
            self._give_up(str(error).strip().splitlines()[-1] if str(error) else repr(error))
            return None
        if not math.isfinite(float(said.sum())):  # 50 times quicker than to ask every value
            # If torch finds no numbers either, it lies in the case, and the case says so.
            self._give_up("it gave values that are no numbers")
            return None
        return said

    def _give_up(self, reason: str) -> None:
        self._failed = True
        self._compiled.clear()
        self._converted = None
        self._warn(f"OpenVINO cannot run an expert, so torch does: {reason.rstrip('.')}.")

    def _compiled_for(self, values: Tensor) -> CompiledExpert:
        n_threads = torch.get_num_threads()
        key = (tuple(values.shape), n_threads)
        if key not in self._compiled:
            if self._converted is None:
                self._converted = self._converted_for(values)
            while len(self._compiled) >= MAX_SHAPES:
                self._compiled.popitem(last=False)
            self._compiled[key] = CompiledExpert(self._converted, values.shape, n_threads)
        self._compiled.move_to_end(key)
        return self._compiled[key]

    def _converted_for(self, values: Tensor) -> ConvertedExpert:
        """Return the expert out of the cache, where only what was checked is, or convert it."""
        key = sha256_of(
            "\n".join((_FORMAT, *version_and_cpu(), torch.__version__)).encode(),
            fingerprint(self.expert).encode(),
        )
        found = None if self._cache is None else self._cache.load(key)
        if found is not None:
            return found
        example = _noise([1, values.shape[1], *(min(_EXAMPLE, n) for n in values.shape[2:])])
        converted = convert(self.expert, example)
        self._check(converted, list(example.shape))
        if self._cache is not None:
            self._keep(self._cache, key, converted)
        return converted

    def _check(self, converted: ConvertedExpert, shape: list[int]) -> None:
        """Compare with torch, on another shape than that of the example: none may be built in.

        Raises:
            RefusedError: both differ.
        """
        noise = _noise([*shape[:-1], 2 * shape[-1]])
        said = CompiledExpert(converted, noise.shape, torch.get_num_threads())(noise)
        with torch.no_grad():
            right = self.expert(noise)
        bound = BOUND * float(right.abs().max())
        off = float((said - right).abs().max()) if said.shape == right.shape else float("inf")
        if not off <= bound:
            raise RefusedError(
                f"its result must equal torch's within {bound:.2g}; got a difference of {off:.2g}"
            )

    def _keep(self, cache: ExpertCache, key: str, converted: ConvertedExpert) -> None:
        try:
            cache.store(key, converted)
        except OSError as error:
            self._warn(
                f"Experts that were converted for OpenVINO cannot be kept in {cache.folder}, and"
                f" are converted in every run: {error.strerror or error}."
            )


def fingerprint(expert: nn.Module) -> str:
    """Return the SHA-256 of what an expert is: its layers and its weights, as 64 digits."""
    parts: list[bytes | memoryview] = [repr(expert).encode()]
    for name, weights in expert.state_dict().items():
        plain = weights.detach().cpu().contiguous()
        parts.append(f"{name} {plain.dtype} {tuple(plain.shape)}".encode())
        parts.append(plain.flatten().view(torch.uint8).numpy().data)
    return sha256_of(*parts)


def _noise(shape: list[int]) -> Tensor:
    """Return normal noise that leaves torch's own random numbers alone."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))
