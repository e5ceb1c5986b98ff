from collections import Counter

import pytest
import torch
from monai.data import MetaTensor
from torch import Tensor

from bundle.errors import SetupError
from bundle.mixture.dmome import DMoME
from bundle.mixture.mixture_losses import MoFeLoss
from bundle.tasks.default import DEFAULT_TASK
from bundle.training.step_inferers import ExpertsInferer, PairInferer, PrepareBatchFlags
from bundle.volume_networks.region_loss import DiceBCELoss
from tests.mixture.networks import NETWORKS

MODALITIES = DEFAULT_TASK.modality_names

SHAPE = (64, 72, 80)
SMALL = (20, 24, 36)
"""What leaves the gate two voxels to normalise: double precision takes its time."""

MORE = torch.tensor([[True, True, False, True], [True, False, False, True]])
FEWER = torch.tensor([[True, False, False, False], [False, False, False, True]])


@pytest.fixture
def image():
    return torch.randn(2, len(MODALITIES), *SHAPE)


def count_calls(network) -> Counter:
    """Count how many cases each part of a network sees from now on."""
    calls = Counter()
    for name, part in [*network.experts.items(), ("gate", network.gate)]:
        part.register_forward_hook(
            lambda _part, inputs, _output, name=name: calls.update({name: len(inputs[0])})
        )
    return calls


def gradients(network, losses) -> dict[str, torch.Tensor | None]:
    network.zero_grad(set_to_none=True)
    sum(losses).backward()
    return {name: value.grad for name, value in network.named_parameters()}


def test_a_pair_runs_each_present_expert_once_per_case_and_the_gate_twice(tiny_network, image):
    calls = count_calls(tiny_network)
    PairInferer()(image, tiny_network, MORE, FEWER)
    assert calls == {"t1n": 2, "t1c": 1, "t2f": 2, "gate": 2 * 2}


def test_a_pair_equals_two_separate_predictions(tiny_network, image):
    more, fewer = PairInferer()(image, tiny_network, MORE, FEWER)
    assert torch.allclose(more, tiny_network(image, MORE), atol=1e-6)
    assert torch.allclose(fewer, tiny_network(image, FEWER), atol=1e-6)
    assert not torch.allclose(more, fewer, atol=1e-2)


def test_a_pair_comes_with_its_experts_if_they_are_asked_for(tiny_network, image):
    more, fewer, said, ran = PairInferer(with_experts=True)(image, tiny_network, MORE, FEWER)
    assert torch.equal(ran, MORE.cpu())
    assert torch.allclose(said, tiny_network.encode(image, MORE))
    assert torch.allclose(more, tiny_network(image, MORE), atol=1e-6)
    assert torch.allclose(fewer, tiny_network(image, FEWER), atol=1e-6)


def test_a_pair_has_the_gradients_of_two_separate_predictions(tiny_network, image):
    factors = torch.randn(2, 2, 3, *SHAPE) / 1000
    pair = PairInferer()(image, tiny_network, MORE, FEWER)
    together = gradients(
        tiny_network,
        [(logits * factor).sum() for logits, factor in zip(pair, factors, strict=True)],
    )
    separate = [tiny_network(image, presence) for presence in (MORE, FEWER)]
    alone = gradients(
        tiny_network,
        [(logits * factor).sum() for logits, factor in zip(separate, factors, strict=True)],
    )
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
            expected = (
                expert(image[b : b + 1, m : m + 1])[0] if MORE[b, m] else torch.zeros(3, *SHAPE)
            )
            assert torch.allclose(logits[b, m], expected, atol=1e-6)


def test_stage_one_never_runs_the_gate_or_an_expert_without_a_case(tiny_network, image):
    calls = count_calls(tiny_network)
    ExpertsInferer()(image, tiny_network, MORE)
    assert calls == {"t1n": 2, "t1c": 1, "t2f": 2}


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


def all_pairs() -> list[tuple[list[bool], list[bool]]]:
    """List every set with every proper superset: (more, fewer), 50 of them."""
    contained = [
        (more, fewer)
        for more in DEFAULT_TASK.all_sets()
        for fewer in DEFAULT_TASK.all_sets()
        if more != fewer
    ]
    return [
        (more, fewer)
        for more, fewer in contained
        if all(m or not f for m, f in zip(more, fewer, strict=True))
    ]


PAIRS = all_pairs()
BATCHES = [(PAIRS[i], PAIRS[-1 - i]) for i in range(len(PAIRS) // 2)]
"""All 50 pairs, two different ones in a batch."""


@pytest.fixture(scope="module")
def small_unets() -> DMoME:
    """A mixture whose experts are small DynUNets, in double precision, where rounding hides no
    difference.
    """
    torch.manual_seed(0)
    network = NETWORKS["logits"]()
    assert isinstance(network, DMoME)
    return network.double()


def separate(image: Tensor, network: DMoME, more: Tensor, fewer: Tensor) -> tuple[Tensor, Tensor]:
    return network(image, more), network(image, fewer)


def test_there_are_50_pairs_and_each_is_in_one_batch():
    assert len(PAIRS) == 3**4 - 2**4 - (2**4 - 1) == 50
    assert sorted(pair for batch in BATCHES for pair in batch) == sorted(PAIRS)


@pytest.mark.slow
@pytest.mark.parametrize("batch", BATCHES, ids=str)
def test_a_pair_equals_two_predictions_in_outputs_loss_and_every_gradient(small_unets, batch):
    more, fewer = (torch.tensor([pair[side] for pair in batch]) for side in (0, 1))
    image = torch.randn(2, len(MODALITIES), *SMALL, dtype=torch.float64)
    target = (torch.rand(2, 3, *SMALL) < 0.3).to(torch.uint8)
    outputs = [predict(image, small_unets, more, fewer) for predict in (PairInferer(), separate)]
    losses = [MoFeLoss(DiceBCELoss(), weight=0.5)(pair, target) for pair in outputs]
    together, alone = (gradients(small_unets, [loss]) for loss in losses)
    for one, other in zip(*outputs, strict=True):
        assert torch.allclose(one, other, rtol=0, atol=1e-9)
    assert losses[0].item() == pytest.approx(losses[1].item(), rel=1e-6)
    for name, gradient in alone.items():
        if gradient is None:
            assert together[name] is None
        else:
            assert (together[name] - gradient).norm() <= 1e-6 * gradient.norm() + 1e-12, name


def test_stage_one_runs_only_the_experts_that_are_trained(tiny_network, image):
    calls = count_calls(tiny_network)
    _, flags = ExpertsInferer(names=["t1c", "t2w"])(image, tiny_network, MORE)
    assert calls == {"t1c": 1}
    assert flags.tolist() == [[False, True, False, False], [False] * 4]


def test_a_trained_expert_that_the_network_lacks_is_named(tiny_network, image):
    with pytest.raises(SetupError, match="t1n, t1c, t2w, t2f; got 'pet'"):
        ExpertsInferer(names=["t1c", "pet"])(image, tiny_network, MORE)


def test_modality_sets_stay_on_the_cpu_while_image_and_label_are_moved(image):
    batch = {"image": image, "label": image, "more": MORE, "fewer": FEWER}
    moved, label, args, sets = PrepareBatchFlags(["more", "fewer"])(batch, "meta")
    assert {moved.device.type, label.device.type} == {"meta"}
    assert args == ()
    assert sets["more"] is MORE
    assert sets["fewer"] is FEWER
