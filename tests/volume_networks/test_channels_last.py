import copy

import pytest
import torch
from monai.networks.nets import DynUNet
from torch import Tensor, nn
from torch.nn.functional import instance_norm

from bundle.volume_networks.channels_last import LAYOUT, InstanceNorm3d, in_channels_last
from bundle.volume_networks.experts import FeatureHead, unet
from tests.mixture.networks import SHAPE, unet_options

pytestmark = pytest.mark.filterwarnings(
    "ignore::torch.jit.TracerWarning:torch.nn"  # not of the bundle
)


def both(layer: nn.Module) -> tuple[nn.Module, nn.Module]:
    """A network of torch's layers and the same of ours."""
    ours = copy.deepcopy(layer)
    in_channels_last(ours)
    return layer, ours


def gradients(network: nn.Module, values: Tensor) -> list[Tensor]:
    """Of the values and of every weight, by a loss that tells the voxels apart."""
    values = values.detach().clone().requires_grad_()
    network.zero_grad()
    out = network(values)
    (out * torch.linspace(0, 1, out.numel()).reshape(out.shape)).sum().backward()
    return [values.grad, *(value.grad.clone() for value in network.parameters())]


def relative_error(value: Tensor, expected: Tensor) -> float:
    return float((value - expected).norm() / expected.norm())


def test_names_and_text_of_a_network_stay():
    plain, ours = both(DynUNet(**unet_options()))
    assert str(ours) == str(plain)
    assert list(ours.state_dict()) == list(plain.state_dict())
    sizes = {"filters": [4, 4, 8], "out_channels": 3}
    assert str(unet(**sizes)) == str(plain)


def test_an_expert_and_a_head_have_such_layers():
    network = nn.Sequential(unet(filters=[4, 4, 8], out_channels=3), FeatureHead(4, 3))
    kinds = {type(layer) for layer in network.modules()}
    assert InstanceNorm3d in kinds
    assert not kinds & {nn.Conv3d, nn.InstanceNorm3d}


@pytest.mark.parametrize("n_cases", [1, 2])
def test_a_network_predicts_the_same_in_either_layout(n_cases):
    plain, ours = both(DynUNet(**unet_options()))
    image = torch.randn(n_cases, 1, *SHAPE)
    with torch.inference_mode():
        torch.testing.assert_close(ours(image), plain(image), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(ours(image), plain(image), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("n_cases", [1, 2])
@pytest.mark.parametrize(
    "layer",
    [
        nn.InstanceNorm3d(6, affine=True),
        nn.InstanceNorm3d(6),
        nn.Conv3d(6, 4, 3, padding=1),
        nn.Conv3d(6, 4, 3, padding="same"),
        nn.Conv3d(6, 4, 3, stride=2, padding=1, bias=False),
        nn.Conv3d(6, 4, 1),
        nn.Conv3d(6, 6, 3, padding=1, groups=2),
    ],
    ids=str,
)
def test_every_layer_has_the_gradients_of_torchs(layer, n_cases):
    plain, ours = both(layer)
    values = torch.randn(n_cases, 6, 7, 8, 9) + 0.5
    for value, expected in zip(gradients(ours, values), gradients(plain, values), strict=True):
        assert relative_error(value, expected) < 1e-4


def test_gradients_of_a_norm_are_those_of_double_precision():
    _, ours = both(nn.InstanceNorm3d(3, affine=True))
    exact = nn.InstanceNorm3d(3, affine=True).double()
    values = torch.randn(2, 3, 5, 6, 7) * 3 + 1
    expected = gradients(exact, values.double())
    for value, truth in zip(gradients(ours, values), expected, strict=True):
        assert relative_error(value.double(), truth) < 1e-5


@pytest.mark.parametrize("n_cases", [1, 2])
def test_gradients_of_a_network_are_within_a_thousandth_of_torchs(n_cases):
    plain, ours = both(DynUNet(**unet_options()))
    image = torch.randn(n_cases, 1, *SHAPE)
    vectors = [
        torch.cat([value.flatten() for value in gradients(network, image)])
        for network in (ours, plain)
    ]
    assert relative_error(*vectors) < 1e-3


def test_statistics_of_many_voxels_do_not_drift():
    """A float32 that sums a million equal values one by one ends 0.2 % off."""
    _, ours = both(nn.InstanceNorm3d(2))
    values = torch.full((1, 2, 96, 96, 96), 0.1)
    values[..., ::2] += 0.01
    values = values.contiguous(memory_format=LAYOUT)
    expected = instance_norm(values.double()).float()
    torch.testing.assert_close(ours(values), expected, atol=1e-4, rtol=1e-4)


def test_bfloat16_is_normalised_with_statistics_in_float32():
    _, ours = both(nn.InstanceNorm3d(4))
    values = (torch.randn(1, 4, 16, 16, 16) + 5).bfloat16()
    normal = ours(values)
    assert normal.dtype == torch.bfloat16
    assert normal.float().mean(dim=(2, 3, 4)).abs().max() < 1e-2


def test_double_precision_is_left_to_torch():
    plain, ours = both(DynUNet(**unet_options()).double())
    image = torch.randn(1, 1, *SHAPE).double()
    pairs = zip(gradients(ours, image), gradients(plain, image), strict=True)
    assert all(torch.equal(*pair) for pair in pairs)


@pytest.mark.parametrize("amp", [False, True], ids=["float32", "bfloat16"])
def test_the_same_step_gives_the_same_bits(amp):
    _, ours = both(DynUNet(**unet_options()))
    image = torch.randn(1, 1, *SHAPE)
    with torch.autocast("cpu", torch.bfloat16, enabled=amp):
        one, other = gradients(ours, image), gradients(ours, image)
    assert all(torch.equal(*pair) for pair in zip(one, other, strict=True))


def test_a_trace_has_torchs_layers():
    _, ours = both(DynUNet(**unet_options()).eval())
    graph = str(torch.jit.trace(ours, torch.randn(1, 1, *SHAPE)).inlined_graph)
    assert "aten::instance_norm" in graph
    assert "PythonOp" not in graph


@pytest.mark.filterwarnings("ignore:The TorchScript type system:UserWarning")  # MONAI's DynUNet
def test_a_scripted_network_predicts_the_same():
    _, ours = both(DynUNet(**unet_options()).eval())
    image = torch.randn(1, 1, *SHAPE)
    with torch.inference_mode():
        scripted = torch.jit.script(ours)(image)
        torch.testing.assert_close(scripted, ours(image), atol=1e-4, rtol=1e-4)
