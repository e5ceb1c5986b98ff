import math

import pytest
import torch

from bundle.mixture.logit_gates import EntropyGate, LogitGate
from bundle.mixture.mixing import mixing_weights

B, M, C = 3, 2, 5
SETS = torch.tensor([[True, True], [True, False], [False, True]])
GATES = pytest.mark.parametrize(
    "gate",
    [EntropyGate(M), EntropyGate(M, n_scores=C), LogitGate(M, C), LogitGate(M, C, 8, n_scores=C)],
    ids=["entropy", "entropy of each class", "logits", "logits of each class"],
)


@GATES
def test_the_weights_sum_to_one_and_nan_of_absent_experts_has_no_say(gate):
    logits = torch.randn(B, M, C)
    clean = mixing_weights(gate(logits, SETS), SETS)
    logits[~SETS] = math.nan
    dirty = mixing_weights(gate(logits, SETS), SETS)
    assert clean.shape[:2] == (B, M)
    assert torch.allclose(clean.sum(dim=1), torch.ones(B, clean.shape[2]))
    assert (clean[~SETS] == 0).all()
    assert (clean[SETS] > 0).all()
    assert torch.equal(clean, dirty)


@GATES
def test_every_parameter_of_a_gate_has_a_gradient(gate):
    gate.zero_grad()
    gate(torch.randn(B, M, C), SETS).square().sum().backward()
    assert all(value.grad.abs().max() > 0 for value in gate.parameters())


def test_an_expert_is_trusted_by_its_entropy_in_nats():
    even = torch.zeros(C)
    two = torch.tensor([0.0, 0.0, *[-math.inf] * (C - 2)]).clamp(min=-100)
    scores = EntropyGate(M)(torch.stack([even, two])[None], SETS[:1])
    assert scores.flatten().tolist() == pytest.approx([-math.log(C), -math.log(2)])


def test_slope_and_offset_belong_to_a_modality():
    gate, logits = EntropyGate(M), torch.zeros(1, M, C)
    with torch.no_grad():
        gate.slope[1] = 2.0
        gate.offset[1] = 0.5
    scores = gate(logits, SETS[:1]).flatten().tolist()
    assert scores == pytest.approx([-math.log(C), -2 * math.log(C) + 0.5])


def test_logits_that_differ_by_a_constant_have_the_same_scores():
    logits = torch.randn(B, M, C)
    for gate in (EntropyGate(M), LogitGate(M, C)):
        assert torch.allclose(gate(logits, SETS), gate(logits + 7, SETS), atol=1e-5)


def test_a_gate_of_logits_tells_an_absent_expert_from_one_that_says_nothing():
    """Of even odds the log-probabilities are equal, not 0, and its flag is set."""
    gate, logits = LogitGate(M, C), torch.zeros(2, M, C)
    one, both = gate(logits, torch.tensor([[True, False], [True, True]]))
    assert not torch.allclose(one[0], both[0])
