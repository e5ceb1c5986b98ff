import math

import numpy as np
import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits

from bundle.errors import SetupError
from bundle.volume_networks.region_loss import DiceBCELoss, MissedConfidence

B, R, VOXELS = 2, 3, (5, 6, 7)


def oracle(logits: np.ndarray, target: np.ndarray) -> float:
    """Loss of one region of one case, written out voxel by voxel."""
    overlap = predicted = true = cross_entropy = 0.0
    for z, t in zip(logits.ravel().tolist(), target.ravel().tolist(), strict=True):
        p = 1 / (1 + math.exp(-z))
        overlap, predicted, true = overlap + p * t, predicted + p, true + t
        cross_entropy -= math.log(p) if t else math.log(1 - p)
    dice = 1 - (2 * overlap + 1e-5) / (predicted + true + 1e-5)
    return cross_entropy / logits.size + (dice if true else 0.0)


@pytest.fixture
def logits():
    return torch.randn(B, R, *VOXELS) * 3


@pytest.fixture
def target():
    """Every region of every case has voxels."""
    target = (torch.rand(B, R, *VOXELS) < 0.3).to(torch.uint8)
    assert target.flatten(2).any(dim=2).all()
    return target


def test_the_loss_equals_a_sum_over_voxels(logits, target):
    expected = [
        [oracle(logits[b, r].numpy(), target[b, r].numpy()) for r in range(R)] for b in range(B)
    ]
    assert np.allclose(DiceBCELoss()(logits, target), expected, atol=1e-5)


def test_an_empty_region_leaves_the_cross_entropy_alone(logits, target):
    target[1, 2] = 0
    loss = DiceBCELoss()(logits, target)
    alone = binary_cross_entropy_with_logits(logits[1, 2], torch.zeros(VOXELS))
    assert loss[1, 2] == pytest.approx(float(alone), abs=1e-6)
    assert loss[0, 2] > binary_cross_entropy_with_logits(logits[0, 2], target[0, 2].float())


def test_an_empty_region_predicted_empty_costs_nothing():
    target = torch.zeros(1, R, *VOXELS)
    assert (DiceBCELoss()(target - 30, target) < 1e-6).all()


def test_a_perfect_prediction_costs_nothing_and_its_opposite_much(target):
    certain = (target.float() * 2 - 1) * 30
    assert (DiceBCELoss()(certain, target) < 1e-5).all()
    assert (DiceBCELoss()(-certain, target) > 20).all()


def test_a_region_does_not_see_the_other_regions_or_cases(logits, target):
    before = DiceBCELoss()(logits, target)
    logits[0, 1] += 1
    changed = (DiceBCELoss()(logits, target) != before).nonzero().tolist()
    assert changed == [[0, 1]]


def test_a_step_against_the_gradient_lowers_the_loss(logits, target):
    logits.requires_grad_()
    before = DiceBCELoss()(logits, target)
    before.sum().backward()
    assert (DiceBCELoss()(logits.detach() - logits.grad, target) < before).all()


def test_saturated_logits_still_have_a_gradient_and_no_nan(target):
    wrong = ((target.float() * 2 - 1) * -200).requires_grad_()
    loss = DiceBCELoss()(wrong, target)
    loss.sum().backward()
    assert loss.isfinite().all()
    assert (wrong.grad.sign() == 1 - 2 * target.float()).all()


def test_half_precision_logits_are_summed_in_single_precision(logits, target):
    short = logits.bfloat16()
    loss = DiceBCELoss()(short, target)
    assert loss.dtype == torch.float32
    assert torch.equal(loss, DiceBCELoss()(short.float(), target))


def soft_dice(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    probabilities = torch.sigmoid(logits)
    return 1 - (2 * (probabilities * target).sum() + 1e-5) / (
        probabilities.sum() + target.sum() + 1e-5
    )


def cross_entropies(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    return (
        binary_cross_entropy_with_logits(logits, target.float(), reduction="none")
        .flatten(2)
        .mean(dim=2)
    )


def test_soft_dice_of_an_empty_region_can_be_left_as_it_comes(logits, target):
    target[1, 2] = 0
    dice = DiceBCELoss("one")(logits, target) - cross_entropies(logits, target)
    assert dice[1, 2] == pytest.approx(1, abs=1e-4)
    assert dice[0, 1] == pytest.approx(float(soft_dice(logits[0, 1], target[0, 1])), abs=1e-5)


def test_dice_of_the_batch_is_that_of_all_cases_as_one_and_the_same_for_each(logits, target):
    target[1, 2] = 0
    dice = DiceBCELoss("batch")(logits, target) - cross_entropies(logits, target)
    expected = [float(soft_dice(logits[:, r], target[:, r])) for r in range(R)]
    assert dice.tolist() == [pytest.approx(expected, abs=1e-5)] * B


def test_a_region_that_is_empty_in_the_whole_batch_has_no_dice_of_the_batch(logits, target):
    target[:, 2] = 0
    dice = DiceBCELoss("batch")(logits, target) - cross_entropies(logits, target)
    assert dice[:, 2].tolist() == pytest.approx([0, 0], abs=1e-6)
    assert (dice[:, :2] > 0.1).all()


def test_an_unknown_treatment_of_empty_regions_is_refused():
    with pytest.raises(SetupError, match="skip, one, batch; got 'zero'"):
        DiceBCELoss("zero")


def test_missed_confidence_is_what_the_mean_probability_on_the_region_lacks():
    logits, target = torch.zeros(1, 2, 2, 2, 2), torch.zeros(1, 2, 2, 2, 2)
    logits[0, 0, 0, 0] = torch.tensor([2.0, -1.0])
    target[0, 0, 0, 0] = 1
    expected = 1 - float(logits[0, 0, 0, 0].sigmoid().mean())
    assert MissedConfidence()(logits, target).tolist() == [[pytest.approx(expected), 0.0]]
