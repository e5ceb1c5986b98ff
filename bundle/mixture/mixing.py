"""The mixture itself: pure functions of tensors that turn scores and presence into one
prediction.
"""

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor


def derive_presence(inputs: Tensor) -> Tensor:
    """Find the acquired modalities of whole cases: a channel that is zero everywhere is absent.

    Only for callers that have nothing but the inputs. Never call it on a part of a case, where an
    acquired modality may be zero too.

    Args:
        inputs: (B, M, ...), absent modalities are 0.

    Returns:
        (B, M) bool on the CPU, where it steers which experts run without a device sync.
    """
    filled = inputs != 0
    if filled.dim() > 2:
        filled = filled.flatten(2).any(dim=2)
    return filled.cpu()


def refuse_empty(presence: Tensor) -> None:
    """Refuse a batch in which no case has any modality: there is nothing to predict from.

    Raises:
        ValueError: all of ``presence``, (B, M) bool, is False.
    """
    if not presence.any():
        raise ValueError(
            "presence must have at least one modality; got none. Give one modality of the case."
        )


def mixing_weights(scores: Tensor, presence: Tensor) -> Tensor:
    """Softmax over the present modalities; absent ones get exactly 0.

    Args:
        scores: (B, M, R), unbounded; those of absent modalities are never read.
        presence: (B, M) bool.

    Returns:
        (B, M, R), summing to 1 over M. A case without any modality gets all zeros rather than NaN.

    Source: Li et al., SimMLM, arXiv:2507.19264, softmax with -inf where a modality is missing.
    """
    present = on_device(presence, scores).unsqueeze(-1)
    lowest = -3.4028234663852886e38  # of float32; TorchScript has no torch.finfo
    scores = scores.float().masked_fill(~present, lowest)
    return torch.softmax(scores, dim=1) * present


def uniform_weights(presence: Tensor, n_regions: int) -> Tensor:
    """Assign every present modality the same weight: (B, M) bool to (B, M, R), summing to 1
    over M.
    """
    share = presence.float() / presence.sum(dim=1, keepdim=True).clamp(min=1)
    return share.unsqueeze(-1).expand(-1, -1, n_regions)


def weighted_sum(maps: Tensor, weights: Tensor, presence: Tensor) -> Tensor:
    """Sum maps over modalities without ever reading those of absent ones, which may be NaN.

    Case by case, so that nothing is masked and autograd keeps views of ``maps`` only: several sums
    of the same maps, as the two of a training step, hold them in memory once.

    Args:
        maps: (B, M, R, ...), of any floating type: scores of classes as well as maps.
        weights: (B, M, R), or (B, M, 1) to weigh all channels of a modality alike.
        presence: (B, M) bool; on the CPU it costs no device sync.

    Returns:
        (B, R, ...) float32; 0 for a case without any modality.
    """
    weights = with_axes_of(weights.to(maps.device, torch.float32), maps)
    if torch.jit.is_scripting() or records_graph():
        flags = with_axes_of(on_device(presence, maps), maps)
        return torch.where(flags, weights * maps, 0.0).sum(dim=1)
    n_modalities = maps.shape[1]
    factors = [row.unbind() for row in weights.unbind()]
    # At one level: the gradient of ``maps`` is put together once.
    parts = maps.flatten(0, 1).unbind()
    rows = [parts[start : start + n_modalities] for start in range(0, len(parts), n_modalities)]
    cases = zip(rows, factors, presence.tolist(), strict=True)
    return torch.stack([_sum_of_case(*case) for case in cases])


def weighted_parts(maps: Tensor, weights: Tensor, presence: Tensor) -> Tensor:
    """Return the summands of ``weighted_sum``, those of absent modalities 0: (B, M, R, ...)
    float32.
    """
    flags = with_axes_of(on_device(presence, maps), maps)
    parts = with_axes_of(weights.to(maps.device, torch.float32), maps) * maps
    return torch.where(flags, parts, parts.new_zeros(()))


def hide_absent(inputs: Tensor, presence: Tensor) -> Tensor:
    """Set the channels of absent modalities to 0, whatever they hold: (B, M, ...) to the same shape
    and type.
    """
    flags = with_axes_of(on_device(presence, inputs), inputs)
    return torch.where(flags, inputs, inputs.new_zeros(()))


def with_axes_of(values: Tensor, like: Tensor) -> Tensor:
    """Append axes of one element until there are as many as another tensor has: (B, M) beside
    (B, M, R, H) becomes (B, M, 1, 1).
    """
    while values.dim() < like.dim():
        values = values.unsqueeze(-1)
    return values


def chosen_cases(batch: Tensor, cases: Tensor) -> Tensor:
    """Take some cases of a batch by their positions; all of them are not copied."""
    if len(cases) == len(batch):
        return batch
    return batch.index_select(0, on_device(cases, batch))


def stack_present(outputs: Mapping[tuple[int, int], Tensor], shape: Sequence[int]) -> Tensor:
    """Put together what was computed for present modalities only.

    Args:
        outputs: (case, modality) to a tensor; all of one shape, at least one.
        shape: (B, M).

    Returns:
        (B, M, ...); 0 where there is no output.
    """
    one = next(iter(outputs.values()))
    nothing = one.new_zeros(()).expand_as(one)
    places = [(b, m) for b in range(shape[0]) for m in range(shape[1])]
    return torch.stack([outputs.get(place, nothing) for place in places]).reshape(
        *shape, *one.shape
    )


@torch.jit.unused
def records_graph() -> bool:
    """Whether the code runs once to be written down as a graph, which has to serve every
    presence.

    True under ``torch.jit.trace``, ``torch.export`` and ``torch.onnx.export``. TorchScript cannot
    call it, only skip it: write ``if torch.jit.is_scripting() or records_graph()``, in this order.
    """
    # Not torch.compile, which can choose.
    exporting = torch.compiler.is_compiling() and not torch.compiler.is_dynamo_compiling()
    return exporting or bool(torch.jit.is_tracing())  # type: ignore[no-untyped-call]


def on_device(flags: Tensor, like: Tensor) -> Tensor:
    """Bring flags, or weights, to where another tensor lies, without waiting for that device."""
    return flags.to(like.device, non_blocking=True)


def binary_entropy(probabilities: Tensor) -> Tensor:
    """Entropy of yes-or-no decisions in bits, 0 (sure) to 1 (even odds), elementwise."""
    p = probabilities.clamp(0.0, 1.0)
    return (0.0 - torch.xlogy(p, p) - torch.xlogy(1 - p, 1 - p)) / math.log(2.0)


def _sum_of_case(
    maps: Sequence[Tensor], weights: Sequence[Tensor], present: Sequence[bool]
) -> Tensor:
    """Sum M maps (R, ...) with weights (R, 1, ...) over the present modalities."""
    total = torch.zeros_like(maps[0], dtype=torch.float32)
    for part, weight, flag in zip(maps, weights, present, strict=True):
        total = torch.addcmul(total, weight, part) if flag else total
    return total
