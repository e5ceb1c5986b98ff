"""What all peers promise for modalities of different shapes and exclusive classes."""

import pytest
import torch
from torch import nn

from bundle.mixture.mixture_losses import MoFeLoss
from bundle.peers.concatenated import Concatenated
from bundle.peers.early_fusion import EarlyFusion
from bundle.peers.momke import MoMKE
from bundle.peers.shaspec_training import ShaSpecInferer, ShaSpecLoss
from bundle.peers.shaspec_vectors import ShaSpecVectors
from bundle.tasks.class_task import ClassTask
from bundle.tasks.parts import Modality
from bundle.training.step_inferers import PairInferer
from tests.peers.vectors import NAMES, SETS, B, C, F, M, inputs, parts, poisoned, stems

TASK = ClassTask(
    name="pairs", title="Pairs", modalities=tuple(Modality(name, name) for name in NAMES)
)


def momke() -> MoMKE:
    return MoMKE(parts(), parts(M), nn.Linear(M * F, C), stems=stems())


def shaspec() -> ShaSpecVectors:
    shared = nn.Sequential(nn.Linear(F, F), nn.Tanh())
    return ShaSpecVectors(stems(), shared, parts(), nn.Linear(M * F, C), F)


def early_fusion() -> EarlyFusion:
    return EarlyFusion(Concatenated(stems(), nn.Linear(M * F, C)), TASK)


EACH = pytest.mark.parametrize("build", [momke, shaspec, early_fusion])


def class_loss(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    return nn.functional.cross_entropy(logits, target.long(), reduction="none")


@EACH
@torch.inference_mode()
def test_nan_of_absent_modalities_has_no_say(build):
    network, values = build(), inputs()
    logits, weights = network.mix(network.encode(values, SETS), values, SETS)
    dirty = poisoned(values, SETS)
    assert logits.shape == (B, C)
    assert torch.equal(network(dirty, SETS), logits)
    assert torch.allclose(weights.sum(dim=1), torch.ones(B, C))
    assert (weights[~SETS] == 0).all()


@EACH
@torch.inference_mode()
def test_cases_do_not_influence_each_other(build):
    network, values = build(), inputs()
    alone = [
        network({name: one[b : b + 1] for name, one in values.items()}, SETS[b : b + 1])
        for b in range(B)
    ]
    assert torch.allclose(network(values, SETS), torch.cat(alone), atol=1e-6)


@EACH
@torch.inference_mode()
def test_a_smaller_set_does_not_see_what_only_the_larger_one_has(build):
    network, values = build(), inputs()
    of_all = network.encode(values, torch.ones(B, M, dtype=torch.bool))
    assert torch.allclose(
        network.mix(of_all, values, SETS).logits, network(values, SETS), atol=1e-6
    )


@EACH
def test_a_training_step_has_finite_gradients_for_every_weight(build):
    network, target = build(), torch.tensor([0, 3, 1])
    more = torch.tensor([[True, True], [True, False], [True, True]])
    fewer = torch.tensor([[True, False], [True, False], [False, True]])
    values, loss = poisoned(inputs(), more), MoFeLoss(class_loss, weight=0.0)
    if isinstance(network, ShaSpecVectors):
        total = ShaSpecLoss(loss)(ShaSpecInferer()(values, network, more, fewer), target)
    else:
        total = loss(PairInferer()(values, network, more, fewer), target)
    total.backward()
    for parameter in network.parameters():
        assert parameter.grad.isfinite().all()
        assert parameter.grad.abs().max() > 0


@torch.inference_mode()
def test_shaspec_of_vectors_equals_the_papers_formula_case_by_case():
    network, values = shaspec(), inputs()
    logits = network(values, SETS)
    for b in range(B):
        read = {name: network.stems[name](one[b : b + 1]) for name, one in values.items()}
        shared = {name: network.shared(one) for name, one in read.items()}
        specific = {name: network.specific[name](one) for name, one in read.items()}
        present = [name for name, flag in zip(NAMES, SETS[b].tolist(), strict=True) if flag]
        mean = sum(shared[name] for name in present) / len(present)
        fused = [
            network.projections[0](torch.cat([shared[name], specific[name]], 1)) + shared[name]
            if name in present
            else mean
            for name in NAMES
        ]
        assert torch.allclose(logits[b], network.decoder(torch.cat(fused, 1))[0], atol=1e-6)


def test_specific_encoders_of_other_modalities_than_the_stems_are_refused():
    others = dict(reversed(parts().items()))
    with pytest.raises(ValueError, match="specific must be for a, b; got b, a"):
        ShaSpecVectors(stems(), nn.Identity(), others, nn.Identity(), F)


@torch.inference_mode()
def test_momke_brings_modalities_to_one_shape_and_sends_each_through_all_experts():
    network, values = momke(), inputs()
    encoded = network.encode(values, SETS)
    assert encoded.shape == (B, M, F)
    for b, m in SETS.nonzero().tolist():
        name = NAMES[m]
        read = network.stems[name](values[name][b : b + 1])
        shares = torch.softmax(network.routers[name](read), dim=1)[0]
        said = [expert(read)[0] for expert in network.experts.values()]
        expected = sum(share * one for share, one in zip(shares, said, strict=True))
        assert torch.allclose(encoded[b, m], expected, atol=1e-6)
    assert (encoded[~SETS] == 0).all()


def test_stems_of_other_modalities_than_the_experts_are_refused():
    with pytest.raises(ValueError, match="stems must be for a, b; got a"):
        MoMKE(parts(), parts(M), nn.Identity(), stems={"a": nn.Identity()})


@torch.inference_mode()
def test_concatenated_features_of_absent_modalities_are_zero_whatever_their_stem_adds():
    network, values = EarlyFusion(Concatenated(stems(), nn.Identity()), TASK), inputs()
    features = network(values, SETS)
    expected = torch.cat([network.unet.stems[name](values[name]) for name in NAMES], dim=1)
    expected[1, F:] = expected[2, :F] = 0
    assert torch.allclose(features, expected)


@pytest.mark.parametrize("names", [("b", "a"), ("a", "b", "c")])
def test_early_fusion_refuses_stems_in_another_order_than_the_tasks(names):
    network = Concatenated({name: nn.Identity() for name in names}, nn.Identity())
    with pytest.raises(ValueError, match="stems must be for a, b; got "):
        EarlyFusion(network, TASK)
