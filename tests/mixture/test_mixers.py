import math

import pytest
import torch
from torch import nn

from bundle.mixture.mixers import (
    FeatureMixer,
    LogitMixer,
    ProbabilityMixer,
    StaticMixer,
    SumMixer,
)
from bundle.tasks.default import DEFAULT_TASK

SETS = pytest.mark.parametrize("flags", DEFAULT_TASK.all_sets(), ids=str)
ALL = {
    "logits": LogitMixer(),
    "probabilities": ProbabilityMixer(),
    "exclusive": ProbabilityMixer(exclusive=True),
    "static": StaticMixer(),
    "sum": SumMixer(LogitMixer()),
    "sum of equals": SumMixer(StaticMixer()),
}
MIXERS = pytest.mark.parametrize("mixer", ALL.values(), ids=list(ALL))


@SETS
@MIXERS
def test_absent_expert_cannot_change_the_prediction(mixer, flags):
    """Whatever the expert of an absent modality says, even NaN, is ignored."""
    presence, logits, scores = (
        torch.tensor([flags]),
        torch.randn(1, 4, 3, 2, 3, 4),
        torch.randn(1, 4, 3),
    )
    wild = torch.where(presence[:, :, None, None, None, None], logits, math.nan)
    wild_scores = torch.where(presence[:, :, None], scores, 1e9)
    for clean, dirty in zip(
        mixer(logits, scores, presence), mixer(wild, wild_scores, presence), strict=True
    ):
        assert torch.equal(clean, dirty)


@MIXERS
def test_one_modality_alone_is_its_own_prediction(mixer):
    presence, logits = torch.tensor([[False, True, False, False]]), torch.randn(1, 4, 3, 2, 3, 4)
    mixed, weights = mixer(logits, torch.randn(1, 4, 3), presence)
    if mixer is ALL["exclusive"]:
        assert torch.allclose(mixed.softmax(dim=1), logits[:, 1].softmax(dim=1), atol=1e-6)
    else:
        assert torch.allclose(mixed, logits[:, 1], atol=1e-4)
    assert weights[0, :, 0].tolist() == [0, 1, 0, 0]


@SETS
@MIXERS
@pytest.mark.parametrize("n_scores", [1, 3])
def test_weights_of_class_scores_sum_to_one_over_the_present_modalities(mixer, flags, n_scores):
    presence = torch.tensor([flags])
    mixed, weights = mixer(torch.randn(1, 4, 3), torch.randn(1, 4, n_scores), presence)
    assert mixed.shape == (1, 3)
    assert weights.shape == (1, 4, n_scores)
    assert torch.allclose(weights.sum(dim=1), torch.ones(1, n_scores))
    assert (weights[~presence] == 0).all()


def test_probabilities_are_averaged_where_that_is_asked_for():
    logits = torch.logit(torch.tensor([0.9, 0.5, 0.2, 0.2])).reshape(1, 4, 1, 1, 1, 1)
    presence = torch.tensor([[True, True, False, False]])
    mixed, _ = ProbabilityMixer()(logits, torch.zeros(1, 4, 1), presence)
    assert torch.sigmoid(mixed).item() == pytest.approx(0.7)


def test_probabilities_of_exclusive_classes_are_averaged_with_the_weights():
    probabilities = torch.tensor([[[0.7, 0.2, 0.1], [0.1, 0.1, 0.8], [1.0, 0.0, 0.0]]])
    scores = torch.tensor([3.0, 1.0, 9.0]).log().reshape(1, 3, 1)
    presence = torch.tensor([[True, True, False]])
    shifted = probabilities.log() + 5  # a softmax does not see it
    mixed, weights = ProbabilityMixer(exclusive=True)(shifted, scores, presence)
    expected = 0.75 * probabilities[0, 0] + 0.25 * probabilities[0, 1]
    assert weights.flatten().tolist() == pytest.approx([0.75, 0.25, 0])
    assert mixed[0].exp().tolist() == pytest.approx(expected.tolist())
    assert float(mixed.exp().sum()) == pytest.approx(1)


def test_a_class_that_all_experts_rule_out_has_a_finite_logit_and_gradients():
    logits = torch.tensor([[[0.0, -300.0], [0.0, -300.0]]], requires_grad=True)
    presence = torch.ones(1, 2, dtype=torch.bool)
    mixed, _ = ProbabilityMixer(exclusive=True)(logits, torch.zeros(1, 2, 1), presence)
    mixed[0, 1].backward()
    assert mixed.isfinite().all()
    assert logits.grad.isfinite().all()


@SETS
def test_a_sum_of_equals_adds_up_the_logits_of_the_present_experts(flags):
    presence, logits = torch.tensor([flags]), torch.randn(1, 4, 3)
    mixed, weights = SumMixer(StaticMixer())(logits, torch.zeros(1, 4, 1), presence)
    assert torch.allclose(mixed, logits[presence].sum(dim=0, keepdim=True), atol=1e-5)
    assert weights[presence].flatten().tolist() == pytest.approx([1 / sum(flags)] * sum(flags))


def test_a_sum_is_bayes_rule_for_independent_modalities_of_frequent_classes():
    """Likelihoods of what each of two modalities shows, given each of three equally frequent
    classes.
    """
    likelihoods = torch.tensor([[0.5, 0.3, 0.1], [0.6, 0.2, 0.4]])
    experts = (likelihoods / likelihoods.sum(dim=1, keepdim=True)).log()
    joint = likelihoods.prod(dim=0)
    presence = torch.ones(1, 2, dtype=torch.bool)
    mixed, _ = SumMixer(StaticMixer())(experts[None], torch.zeros(1, 2, 1), presence)
    assert mixed.softmax(dim=1)[0].tolist() == pytest.approx((joint / joint.sum()).tolist())


def test_a_weaker_modality_that_agrees_makes_a_sum_surer_and_an_average_less_sure():
    strong, weak = torch.tensor([4.0, 0.0]), torch.tensor([1.0, 0.0])
    logits, both = torch.stack([strong, weak])[None], torch.tensor([[True, True]])
    alone = float(strong.softmax(dim=0)[0])
    average = StaticMixer()(logits, torch.zeros(1, 2, 1), both).logits.softmax(dim=1)
    added = SumMixer(StaticMixer())(logits, torch.zeros(1, 2, 1), both).logits.softmax(dim=1)
    assert float(average[0, 0]) < alone < float(added[0, 0])


@SETS
def test_feature_vectors_are_mixed_before_any_head(flags):
    presence, features, scores = torch.tensor([flags]), torch.randn(1, 4, 5), torch.randn(1, 4, 1)
    head = nn.Sequential(nn.Linear(5, 6), nn.ReLU(), nn.Linear(6, 3))
    mixed, weights = FeatureMixer(head)(features, scores, presence)
    share = scores[presence].softmax(dim=0)
    expected = head((share * features[presence]).sum(dim=0, keepdim=True))
    assert torch.allclose(mixed, expected, atol=1e-6)
    assert torch.allclose(weights[presence], share.expand(-1, 3))
    wild = torch.where(presence[..., None], features, math.nan)
    assert torch.equal(FeatureMixer(head)(wild, scores, presence).logits, mixed)
