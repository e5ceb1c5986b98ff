from collections import Counter

import pytest
import torch
from monai.data import MetaTensor

from bundle.modalities import MODALITIES
from bundle.training.inferers import ExpertsInferer, PairInferer

SHAPE = (64, 72, 80)
MORE = torch.tensor([[True, True, False, True], [True, False, False, True]])
FEWER = torch.tensor([[True, False, False, False], [False, False, False, True]])


@pytest.fixture
def image():
    return torch.randn(2, len(MODALITIES), *SHAPE)


def count_calls(network) -> Counter:
    """Count how often each part of a network is run from now on."""
    calls = Counter()
    for name, part in [*network.experts.items(), ("gate", network.gate)]:
        part.register_forward_hook(lambda *_, name=name: calls.update([name]))
    return calls


def gradients(network, losses) -> dict[str, torch.Tensor | None]:
    network.zero_grad(set_to_none=True)
    sum(losses).backward()
    return {name: value.grad for name, value in network.named_parameters()}


def test_a_pair_runs_each_present_expert_once_and_the_gate_twice(tiny_network, image):
    calls = count_calls(tiny_network)
    PairInferer()(image, tiny_network, MORE, FEWER)
    assert calls == {"t1n": 1, "t1c": 1, "t2f": 1, "gate": 2}


def test_a_pair_equals_two_separate_predictions(tiny_network, image):
    more, fewer = PairInferer()(image, tiny_network, MORE, FEWER)
    assert torch.allclose(more, tiny_network(image, MORE), atol=1e-6)
    assert torch.allclose(fewer, tiny_network(image, FEWER), atol=1e-6)
    assert not torch.allclose(more, fewer, atol=1e-2)


def test_a_pair_has_the_gradients_of_two_separate_predictions(tiny_network, image):
    factors = torch.randn(2, 2, 3, *SHAPE) / 1000
    pair = PairInferer()(image, tiny_network, MORE, FEWER)
    together = gradients(tiny_network, [(logits * factor).sum() for logits, factor in zip(pair, factors, strict=True)])
    separate = [tiny_network(image, presence) for presence in (MORE, FEWER)]
    alone = gradients(tiny_network, [(logits * factor).sum() for logits, factor in zip(separate, factors, strict=True)])
    for name, gradient in alone.items():
        if gradient is None:
            assert together[name] is None
        else:
            assert torch.allclose(together[name], gradient, rtol=1e-3, atol=1e-4), name
    assert together["experts.t2w.weight"] is None
    assert together["gate.linear.weight"].abs().max() > 0


def test_an_absent_channel_of_a_pair_is_never_read(tiny_network, image):
    poisoned = image.clone()
    poisoned[:, 2] = torch.nan
    for clean, result in zip(
        PairInferer()(image, tiny_network, MORE, FEWER),
        PairInferer()(poisoned, tiny_network, MORE, FEWER),
        strict=True,
    ):
        assert torch.equal(clean, result)


def test_stage_one_gives_what_each_expert_says_of_its_own_channel(tiny_network, image):
    logits, presence = ExpertsInferer()(image, tiny_network, MORE)
    assert torch.equal(presence, MORE)
    for m, expert in enumerate(tiny_network.experts.values()):
        for b in range(2):
            expected = expert(image[b : b + 1, m : m + 1])[0] if MORE[b, m] else torch.zeros(3, *SHAPE)
            assert torch.allclose(logits[b, m], expected, atol=1e-6)


def test_stage_one_never_runs_the_gate_or_an_expert_without_a_case(tiny_network, image):
    calls = count_calls(tiny_network)
    ExpertsInferer()(image, tiny_network, MORE)
    assert calls == {"t1n": 1, "t1c": 1, "t2f": 1}


def test_bfloat16_changes_the_logits_by_rounding_only(tiny_network, image):
    exact, _ = ExpertsInferer()(image, tiny_network, MORE)
    rounded, _ = ExpertsInferer(amp=True)(image, tiny_network, MORE)
    assert rounded.dtype == torch.bfloat16
    assert (rounded.float() - exact).abs().max() < 0.1
    for precise, short in zip(
        PairInferer()(image, tiny_network, MORE, FEWER),
        PairInferer(amp=True)(image, tiny_network, MORE, FEWER),
        strict=True,
    ):
        assert not torch.equal(short.float(), precise)
        assert (short.float() - precise).abs().max() < 0.1


def test_the_network_never_sees_metadata(tiny_network, image):
    logits, _ = ExpertsInferer()(MetaTensor(image), tiny_network, MORE)
    pair = PairInferer()(MetaTensor(image), tiny_network, MORE, FEWER)
    assert {type(result) for result in (logits, *pair)} == {torch.Tensor}
