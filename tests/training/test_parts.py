import pytest
from torch import nn

from bundle.errors import UsageError
from bundle.mixture.mixers import StaticMixer, SumMixer
from bundle.tasks.default import DEFAULT_TASK
from bundle.training.parts import all_parts, chosen_experts, gate_alone

MODALITIES = DEFAULT_TASK.modality_names


def test_chosen_experts_come_in_the_networks_order(tiny_network):
    parts = chosen_experts(tiny_network, ["t2f", "t1c"])
    assert list(parts) == [tiny_network.experts["t1c"], tiny_network.experts["t2f"]]


@pytest.mark.parametrize("names", [[], ["t1ce"]], ids=["none", "unknown"])
def test_experts_that_are_not_there_are_refused(tiny_network, names):
    with pytest.raises(UsageError, match="experts to train"):
        chosen_experts(tiny_network, names)


def test_all_parts_of_a_mixture_are_its_experts_and_its_gate(tiny_network):
    assert list(all_parts(tiny_network)) == [*tiny_network.experts.values(), tiny_network.gate]


def test_all_parts_hold_every_weight_once(tiny_network):
    tiny_network.mixer = nn.Conv3d(2, 3, 1)
    held = [id(parameter) for part in all_parts(tiny_network) for parameter in part.parameters()]
    assert sorted(held) == sorted(id(parameter) for parameter in tiny_network.parameters())
    assert len(all_parts(tiny_network)) == len(MODALITIES) + 2


def test_the_gate_alone_learns_and_nothing_else_has_a_gradient(tiny_network):
    assert list(gate_alone(tiny_network)) == [tiny_network.gate]
    learning = {name for name, value in tiny_network.named_parameters() if value.requires_grad}
    assert learning == {f"gate.{name}" for name, _ in tiny_network.gate.named_parameters()}


def test_a_gate_that_is_not_there_or_not_asked_cannot_learn_alone(tiny_network):
    with pytest.raises(UsageError, match="got Conv3d"):
        gate_alone(nn.Conv3d(4, 3, 1))
    for mixer, name in ((StaticMixer(), "StaticMixer"), (SumMixer(StaticMixer()), "SumMixer")):
        tiny_network.mixer = mixer
        with pytest.raises(UsageError, match=f"got DMoME with {name}"):
            gate_alone(tiny_network)
    assert all(value.requires_grad for value in tiny_network.parameters())
