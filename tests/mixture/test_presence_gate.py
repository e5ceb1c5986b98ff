import pytest
import torch
from torch import Tensor, nn

from bundle.mixture.logit_gates import EntropyGate
from bundle.mixture.presence_gate import PresenceGate

B, M, R = 3, 2, 4
SETS = torch.tensor([[True, True], [True, False], [False, True]])


class Plain(nn.Module):
    """A gate on inputs, as the paper's: scores of (B, M, 5)."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(5, R)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.linear(inputs)


def test_training_starts_from_the_gate_as_it_is():
    plain, inputs = Plain(), torch.randn(B, M, 5)
    assert torch.equal(PresenceGate(plain, M, R)(inputs, SETS), plain(inputs))


def test_every_presence_has_a_bias_of_its_own_that_the_layer_makes_of_its_flags():
    gate, inputs = PresenceGate(Plain(), M, R), torch.randn(B, M, 5)
    nn.init.normal_(gate.linear.weight)
    nn.init.normal_(gate.linear.bias)
    added = gate(inputs, SETS) - gate.gate(inputs)
    columns = gate.linear.weight.unflatten(0, (M, R))
    for case, flags in enumerate(SETS.tolist()):
        expected = gate.linear.bias.reshape(M, R) + sum(
            columns[:, :, m] for m, flag in enumerate(flags) if flag
        )
        assert torch.allclose(added[case], expected, atol=1e-5)


def test_a_gate_that_wants_the_presence_itself_gets_it():
    gate, logits = EntropyGate(M), torch.randn(B, M, 5)
    assert torch.equal(PresenceGate(gate, M)(logits, SETS), gate(logits, SETS))


@pytest.mark.parametrize("inner", [Plain(), EntropyGate(M, R)], ids=["plain", "wants presence"])
def test_it_goes_through_torchscript(inner):
    gate, inputs = PresenceGate(inner, M, R), torch.randn(B, M, 5)
    assert torch.allclose(torch.jit.script(gate)(inputs, SETS), gate(inputs, SETS))
