"""What a gate is shown: inputs or what experts say, with the presence if it wants that."""

import math

import pytest
import torch
from torch import Tensor, nn

from bundle.errors import SetupError
from bundle.mixture.dmome import DMoME
from bundle.mixture.logit_gates import EntropyGate, LogitGate
from bundle.mixture.mixers import LogitMixer, SumMixer
from bundle.mixture.presence_gate import PresenceGate
from bundle.mixture.tempered import Tempered

B, M, C = 3, 2, 4
SETS = torch.tensor([[True, True], [True, False], [False, True]])
NAMES = ("a", "b")


class Sizes(nn.Module):
    """A gate that reads a tensor (B, M, 5)."""

    def forward(self, inputs: Tensor) -> Tensor:
        return inputs.abs().mean(dim=2, keepdim=True)


GATES = {
    "inputs": lambda: (Sizes(), "inputs"),
    "inputs and presence": lambda: (PresenceGate(Sizes(), M), "inputs"),
    "entropy": lambda: (EntropyGate(M), "experts"),
    "logits": lambda: (LogitGate(M, C), "experts"),
    "entropy and presence": lambda: (PresenceGate(EntropyGate(M), M), "experts"),
    "experts without presence": lambda: (Sizes(), "experts"),
}


def network(kind: str, mixer: nn.Module | None = None) -> DMoME:
    torch.manual_seed(1)
    gate, reads = GATES[kind]()
    experts = {name: Tempered(nn.Sequential(nn.Flatten(1), nn.Linear(5, C))) for name in NAMES}
    built = DMoME(experts, gate, mixer or LogitMixer(), gate_reads=reads)
    if isinstance(gate, PresenceGate):
        nn.init.normal_(gate.linear.weight)
    return built.eval()


EACH = pytest.mark.parametrize("kind", GATES)


@EACH
@torch.inference_mode()
def test_nan_of_absent_modalities_reaches_neither_gate_nor_result(kind):
    mixture, inputs = network(kind), torch.randn(B, M, 5)
    dirty = torch.where(SETS[..., None], inputs, math.nan)
    assert torch.equal(mixture(dirty, SETS), mixture(inputs, SETS))


@EACH
@torch.inference_mode()
def test_a_smaller_set_does_not_see_what_experts_outside_it_say(kind):
    mixture, inputs = network(kind), torch.randn(B, M, 5)
    of_all = mixture.encode(inputs, torch.ones(B, M, dtype=torch.bool))
    logits, weights = mixture.mix(of_all, inputs, SETS)
    assert torch.allclose(logits, mixture(inputs, SETS), atol=1e-6)
    assert torch.allclose(weights.sum(dim=1), torch.ones(B, 1))
    assert (weights[~SETS] == 0).all()


@EACH
@torch.inference_mode()
def test_one_modality_alone_is_its_expert(kind):
    mixture, inputs = network(kind, SumMixer(LogitMixer())), torch.randn(B, M, 5)
    alone = mixture(inputs, SETS)
    assert torch.allclose(alone[1], mixture.experts["a"](inputs[1:2, :1])[0], atol=1e-6)
    assert torch.allclose(alone[2], mixture.experts["b"](inputs[2:, 1:])[0], atol=1e-6)


@EACH
def test_nan_of_absent_modalities_leaves_finite_gradients(kind):
    mixture = network(kind)
    dirty = torch.where(SETS[..., None], torch.randn(B, M, 5), math.nan)
    mixture(dirty, SETS).square().sum().backward()
    assert all(value.grad.isfinite().all() for value in mixture.parameters())


@EACH
@torch.no_grad()
def test_a_scripted_and_a_traced_network_predict_the_same(kind):
    mixture, inputs = (
        network(kind, SumMixer(LogitMixer())).requires_grad_(False),
        torch.randn(B, M, 5),
    )
    scripted = torch.jit.script(mixture)
    traced = torch.jit.trace(mixture, (torch.randn(B, M, 5), torch.ones(B, M, dtype=torch.bool)))
    for flags in (SETS, SETS[[1, 1, 1]], SETS[[2, 2, 2]]):
        dirty = torch.where(flags[..., None], inputs, math.nan)
        torch.testing.assert_close(scripted(dirty, flags), mixture(inputs, flags))
        torch.testing.assert_close(traced(dirty, flags), mixture(inputs, flags))


@EACH
def test_an_exported_graph_predicts_the_same(kind):
    mixture, inputs = network(kind).requires_grad_(False), torch.randn(B, M, 5)
    graph = torch.export.export(mixture, (torch.randn(B, M, 5), SETS)).module()
    torch.testing.assert_close(graph(inputs, SETS[[2, 0, 1]]), mixture(inputs, SETS[[2, 0, 1]]))


def test_a_gate_of_logits_reads_what_the_experts_of_a_mapping_say():
    experts = {"a": nn.Linear(5, C), "b": nn.Linear(7, C)}
    mixture = DMoME(experts, EntropyGate(M), LogitMixer(), gate_reads="experts")
    inputs = {"a": torch.randn(B, 5), "b": torch.randn(B, 7)}
    said = torch.stack([experts["a"](inputs["a"]), experts["b"](inputs["b"])], dim=1)
    _, weights = mixture.mix(mixture.encode(inputs, SETS), inputs, SETS)
    entropy = torch.distributions.Categorical(logits=said[0]).entropy()
    assert torch.allclose(weights[0, :, 0], torch.softmax(-entropy, dim=0), atol=1e-6)


def test_a_gate_that_shall_read_something_else_is_refused():
    with pytest.raises(SetupError, match="inputs, experts; got 'logits'"):
        DMoME({"a": nn.Identity()}, Sizes(), LogitMixer(), gate_reads="logits")
