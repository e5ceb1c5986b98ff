import pytest
import torch
from torch import nn

from bundle.configuration import load_config
from bundle.mixture.dmome import DMoME
from bundle.mixture.mixers import LogitMixer
from bundle.volume_networks.gate import GateCNN
from bundle.volume_networks.image_mixture import ImageMixture
from bundle.volume_networks.spacing import with_spacing

SHAPE = (36, 40, 44)
FLAGS = torch.tensor([[True, False], [True, True]])


def build(kind: type[DMoME]) -> DMoME:
    torch.manual_seed(0)
    experts = {name: nn.Conv3d(1, 3, 3, padding=1) for name in ("a", "b")}
    return kind(experts, GateCNN(2, 3), LogitMixer()).eval().requires_grad_(False)


@pytest.fixture
def network() -> DMoME:
    return build(ImageMixture)


def test_it_is_the_mixture_with_its_names_and_predictions(network):
    plain, image = build(DMoME), torch.randn(2, 2, *SHAPE)
    assert list(network.state_dict()) == ["spacing", *plain.state_dict()]
    assert torch.equal(network(image, FLAGS), plain(image, FLAGS))
    assert torch.equal(network(image), plain(image))


def test_weights_from_before_they_told_their_spacing_are_taken(network):
    state = {name: value for name, value in network.state_dict().items() if name != "spacing"}
    state["gate.linear.bias"] = state["gate.linear.bias"] + 1
    with_spacing(network, 2).load_state_dict(state)
    assert network.spacing == 2
    assert torch.equal(network.gate.linear.bias, state["gate.linear.bias"])
    assert "spacing" not in state


def test_exported_files_call_their_inputs_image_and_presence(network):
    given = (torch.randn(2, 2, *SHAPE), FLAGS)
    signature = torch.export.export(network, given).graph_signature
    assert signature.user_inputs == ("image", "presence")
    schema = torch.jit.script(network).forward.schema
    assert [argument.name for argument in schema.arguments] == ["self", "image", "presence"]


def test_its_torchscript_predicts_as_it_does(network):
    image = torch.randn(2, 2, *SHAPE)
    torch.testing.assert_close(torch.jit.script(network)(image, FLAGS), network(image, FLAGS))


@pytest.mark.parametrize("config", ["inference.yaml", "train.yaml"])
def test_the_configs_build_it(config):
    network = load_config(config, {}).get_parsed_content("network_def")
    assert type(network) is ImageMixture
