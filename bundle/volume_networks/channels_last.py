"""Layers of U-Nets that keep their feature maps in channels_last_3d on CPUs.

There oneDNN convolves faster than in torch's usual layout, and its backward pass much faster. The
layers have the names, weights and results of torch's, up to rounding; elsewhere (on other devices,
in exported graphs) they are torch's.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.functional import batch_norm, linear

from bundle.mixture.mixing import records_graph

LAYOUT = torch.channels_last_3d

TYPES = (torch.float32, torch.bfloat16)
"""In which oneDNN computes; others, such as double precision, are left to torch."""

FEW = 20480
"""Elements of a case, its last axis left out, up to which torch convolves without oneDNN."""

WIDE = 4096
"""Values that are summed side by side: so a sum of millions is one of thousands of short ones."""


def in_channels_last(network: nn.Module) -> None:
    """Let the 3D convolutions and instance norms of a network work in channels_last_3d on CPUs.

    Names, weights and ``str`` of the network stay.
    """
    for layer in network.modules():
        if type(layer) in LAYERS:
            layer.__class__ = LAYERS[type(layer)]


class Conv3d(nn.Conv3d):
    """A convolution that oneDNN does, whatever the size."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002
        """Convolve (B, C, H, W, D)."""
        if torch.jit.is_scripting() or not _fits(input):
            return self._conv_forward(input, self.weight, self.bias)
        return self._convolve(_laid_out(input))

    @torch.jit.unused
    def _convolve(self, values: Tensor) -> Tensor:
        if self._is_pointwise():
            weight = self.weight.flatten(1)
            return linear(values.permute(0, 2, 3, 4, 1), weight, self.bias).permute(0, 4, 1, 2, 3)
        if not self._is_left_out(values):
            return self._conv_forward(values, self.weight, self.bias)
        if not torch.is_grad_enabled() and not isinstance(self.padding, str):
            return torch.mkldnn_convolution(
                values,
                self.weight,
                self.bias,
                self.padding,
                self.stride,
                self.dilation,
                self.groups,
            )
        # Two cases are never left out. Twice the work is still less.
        return self._conv_forward(values.expand(2, -1, -1, -1, -1), self.weight, self.bias)[:1]

    def _is_pointwise(self) -> bool:
        """Whether it is a linear layer of every voxel's channels."""
        simple = (set(self.stride), set(self.padding), self.groups) == ({1}, {0}, 1)
        return simple and set(self.kernel_size) == {1}

    def _is_left_out(self, values: Tensor) -> bool:
        """Whether torch would take its own slow convolution instead of oneDNN's."""
        exact = values.dtype == torch.float32 and not torch.is_autocast_enabled("cpu")
        small = len(values) == 1 and values[..., 0].numel() <= FEW
        return exact and small and self.groups == 1


class InstanceNorm3d(nn.InstanceNorm3d):
    """Normalises the voxels of each channel of each case, statistics in two passes."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002
        """Normalise (B, C, H, W, D)."""
        if torch.jit.is_scripting() or self.track_running_stats or not _fits(input):
            return self._as_torch_does(input)
        return self._normalise(_laid_out(input))

    def _as_torch_does(self, values: Tensor) -> Tensor:
        normal: Tensor = self._apply_instance_norm(values)  # type: ignore[no-untyped-call]
        return normal

    @torch.jit.unused
    def _normalise(self, values: Tensor) -> Tensor:
        given = (values, self.weight, self.bias, self.eps)
        normal: Tensor = _Normalise.apply(*given)  # type: ignore[no-untyped-call]
        return normal


LAYERS: dict[type[nn.Module], type[nn.Module]] = {
    nn.Conv3d: Conv3d,
    nn.InstanceNorm3d: InstanceNorm3d,
}


class _Normalise(torch.autograd.Function):
    """Instance norm of (B, C, H, W, D) in channels_last_3d."""

    @staticmethod
    def forward(
        ctx: Any, values: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float
    ) -> Tensor:
        """Normalise every case by itself."""
        results = [_normalised(case, weight, bias, eps) for case in torch.split(values, 1)]
        normal, means, deviations = zip(*results, strict=True)
        ctx.save_for_backward(values, weight, torch.stack(means), torch.stack(deviations))
        return _joined(normal)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradients of values, weight and bias."""
        values, weight, means, inverses = ctx.saved_tensors
        gradient = gradient.contiguous(memory_format=LAYOUT)
        cases = zip(torch.split(gradient, 1), torch.split(values, 1), means, inverses, strict=True)
        results = [_gradients(*case, weight) for case in cases]
        of_values, of_weight, of_bias = zip(*results, strict=True)
        return (
            _joined(of_values),
            torch.stack(of_weight).sum(0) if ctx.needs_input_grad[1] else None,
            torch.stack(of_bias).sum(0) if ctx.needs_input_grad[2] else None,
            None,
        )


def _normalised(
    values: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Return a case (1, C, H, W, D) normalised, the mean of its channels, 1 / their deviation."""
    wide, n_channels = _wide(values), values.shape[1]
    zeros = torch.zeros(wide.shape[1])  # float32, which makes the statistics of bfloat16 float32
    statistics = torch.batch_norm_update_stats(wide, zeros, torch.ones_like(zeros), 0.0)
    means, variances = (part.view(-1, n_channels) for part in statistics)
    mean = means.mean(0)
    variance = (variances + (means - mean) ** 2).mean(0)
    inverse = torch.rsqrt(variance + eps)
    scale = inverse if weight is None else inverse * weight
    shift = -mean * scale if bias is None else bias - mean * scale
    return _affine(values, scale, shift), mean, inverse


def _gradients(
    gradient: Tensor, values: Tensor, mean: Tensor, inverse: Tensor, weight: Tensor | None
) -> tuple[Tensor, Tensor, Tensor]:
    """Return what the gradient of a normalised case makes of values, weight and bias."""
    n_channels = values.shape[1]
    n_voxels = values.numel() // n_channels
    wide = _wide(values)
    n_copies = wide.shape[1] // n_channels
    _, products, sums = torch.ops.aten.native_batch_norm_backward(
        _wide(gradient),
        wide,
        torch.ones_like(mean).repeat(n_copies),
        None,
        None,
        mean.repeat(n_copies),
        inverse.repeat(n_copies),
        True,
        0.0,
        [False, True, True],
    )
    of_weight, of_bias = (part.view(-1, n_channels).sum(0) for part in (products, sums))
    scale = inverse if weight is None else inverse * weight
    slope = -scale * inverse * of_weight / n_voxels
    shift = -scale * of_bias / n_voxels - slope * mean
    of_values = _affine(values, slope, shift).add_(_affine(gradient, scale, torch.zeros_like(mean)))
    return of_values, of_weight, of_bias


def _affine(values: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """Return values x scale + shift of each channel, float32 inside, in the type of the values."""
    zeros, ones = torch.zeros_like(scale), torch.ones_like(scale)
    return batch_norm(values, zeros, ones, scale, shift, training=False, eps=0.0)


def _wide(values: Tensor) -> Tensor:
    """View a case as one with fewer voxels of more channels: (1, C, H, W, D) to (1, n x C, H x W x
    D / n, 1).
    """
    n_channels = values.shape[1]
    n_side_by_side = _largest_divisor(values.numel() // n_channels, WIDE // n_channels)
    rows = values.permute(0, 2, 3, 4, 1).reshape(1, -1, 1, n_channels * n_side_by_side)
    return rows.permute(0, 3, 1, 2)


@lru_cache
def _largest_divisor(number: int, limit: int) -> int:
    """Return the largest divisor of a number up to a limit, at least 1."""
    return next((n for n in range(min(limit, number), 1, -1) if number % n == 0), 1)


def _joined(cases: Sequence[Tensor]) -> Tensor:
    return cases[0] if len(cases) == 1 else torch.cat(list(cases))


@torch.jit.unused
def _fits(values: Tensor) -> bool:
    """Whether oneDNN computes here, and eagerly: a graph keeps torch's layers."""
    if values.device.type != "cpu" or values.dim() != len("BCHWD") or values.dtype not in TYPES:
        return False
    has_onednn: bool = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    return has_onednn and not (records_graph() or torch.compiler.is_compiling())


def _laid_out(values: Tensor) -> Tensor:
    """Bring (B, C, H, W, D) into channels_last_3d.

    Of one channel torch cannot tell unless the strides say so.
    """
    if values.shape[1] == 1:
        return values.reshape(*values.shape[:1], *values.shape[2:], 1).permute(0, 4, 1, 2, 3)
    return values.contiguous(memory_format=LAYOUT)
