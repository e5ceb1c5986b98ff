import math

import pytest
import torch

from bundle.mixture.mixing import (
    binary_entropy,
    derive_presence,
    hide_absent,
    mixing_weights,
    stack_present,
    uniform_weights,
    weighted_sum,
)
from bundle.tasks.default import DEFAULT_TASK

SETS = pytest.mark.parametrize("flags", DEFAULT_TASK.all_sets(), ids=str)
M, R, VOXELS = 4, 3, (5, 6, 7)


@SETS
@pytest.mark.parametrize("poison", [math.nan, 1e9, -math.inf])
def test_weights_are_zero_for_absent_modalities_and_sum_to_one(flags, poison):
    presence = torch.tensor([flags])
    scores = torch.where(presence[..., None], torch.randn(1, M, R) * 30, poison)
    weights = mixing_weights(scores, presence)
    assert (weights[~presence] == 0).all()
    assert torch.allclose(weights.sum(dim=1), torch.ones(1, R))


@SETS
def test_weights_equal_a_softmax_over_the_present_modalities_alone(flags):
    scores, presence = torch.randn(1, M, R), torch.tensor([flags])
    expected = torch.softmax(scores[presence].reshape(1, -1, R), dim=1)
    assert torch.allclose(mixing_weights(scores, presence)[presence], expected[0])


def test_no_modality_gives_zeros_and_not_nan():
    assert (mixing_weights(torch.randn(1, M, R), torch.zeros(1, M, dtype=torch.bool)) == 0).all()


@SETS
def test_the_sum_equals_a_loop_over_present_modalities_even_if_the_others_are_nan(flags):
    presence, maps, weights = (
        torch.tensor([flags]),
        torch.randn(1, M, R, *VOXELS),
        torch.rand(1, M, R),
    )
    expected = sum(maps[0, m] * weights[0, m, :, None, None, None] for m in range(M) if flags[m])
    poisoned = torch.where(presence[:, :, None, None, None, None], maps, math.nan)
    assert torch.allclose(weighted_sum(poisoned, weights, presence)[0], expected, atol=1e-6)


def test_uniform_weights_share_equally():
    assert uniform_weights(torch.tensor([[True, False, True, True]]), R)[
        0, :, 0
    ].tolist() == pytest.approx([1 / 3, 0, 1 / 3, 1 / 3])


def test_presence_is_read_off_whole_volumes():
    image = torch.zeros(2, M, *VOXELS)
    image[0, 1, 2, 3, 4] = -0.5
    assert derive_presence(image).tolist() == [[False, True, False, False], [False] * 4]


def test_hiding_replaces_whatever_an_absent_channel_holds():
    hidden = hide_absent(torch.full((1, M, *VOXELS), math.nan), torch.zeros(1, M, dtype=torch.bool))
    assert (hidden == 0).all()


def test_entropy_is_one_bit_at_even_odds_and_zero_when_sure():
    entropy = binary_entropy(torch.tensor([0.0, 0.11, 0.5, 1.0, 1.0000001]))
    assert entropy.tolist() == pytest.approx(
        [0, -(0.11 * math.log2(0.11) + 0.89 * math.log2(0.89)), 1, 0, 0], abs=1e-6
    )


def test_cases_of_a_batch_are_summed_over_their_own_modalities():
    presence = torch.tensor([[True, False, True, False], [False, True, True, True], [False] * 4])
    maps, weights = torch.randn(3, M, R, *VOXELS), torch.rand(3, M, R)
    total = weighted_sum(
        torch.where(presence[:, :, None, None, None, None], maps, math.nan), weights, presence
    )
    for b in range(3):
        expected = weighted_sum(maps[b : b + 1], weights[b : b + 1], presence[b : b + 1])
        assert torch.equal(total[b : b + 1], expected)
    assert (total[2] == 0).all()


def test_a_sum_of_half_precision_maps_is_taken_in_single_precision():
    presence, maps, weights = (
        torch.ones(1, M, dtype=torch.bool),
        torch.randn(1, M, R, *VOXELS),
        torch.rand(1, M, R),
    )
    total = weighted_sum(maps.bfloat16(), weights, presence)
    assert total.dtype == torch.float32
    assert torch.equal(total, weighted_sum(maps.bfloat16().float(), weights, presence))


def test_one_weight_per_modality_weighs_all_channels_alike():
    presence, maps, weights = (
        torch.ones(1, M, dtype=torch.bool),
        torch.randn(1, M, R, *VOXELS),
        torch.rand(1, M, 1),
    )
    assert torch.equal(
        weighted_sum(maps, weights, presence),
        weighted_sum(maps, weights.expand(-1, -1, R), presence),
    )


def test_an_absent_map_that_is_nan_leaves_finite_gradients():
    presence = torch.tensor([[True, False, True, True]])
    maps, weights = torch.randn(1, M, R, *VOXELS), torch.rand(1, M, R, requires_grad=True)
    maps[:, 1] = math.nan
    weighted_sum(maps.requires_grad_(), weights, presence).sum().backward()
    assert maps.grad.isfinite().all()
    assert weights.grad.isfinite().all()
    assert (maps.grad[:, 1] == 0).all()


def test_autograd_keeps_no_copy_of_the_maps():
    """Two sums of the same maps, as in a training step, hold them once."""
    presence = torch.tensor([[True, False, True, True], [True, True, False, True]])
    maps, weights = torch.randn(2, M, R, *VOXELS, requires_grad=True), torch.rand(2, M, R)
    kept: list[torch.Tensor] = []
    with torch.autograd.graph.saved_tensors_hooks(
        lambda value: kept.append(value) or value, lambda value: value
    ):
        weighted_sum(maps, weights, presence)
        weighted_sum(maps, weights.requires_grad_(), presence)
    large = {
        value.untyped_storage().data_ptr() for value in kept if value.numel() >= math.prod(VOXELS)
    }
    assert large == {maps.untyped_storage().data_ptr()}


def test_outputs_of_present_modalities_come_to_their_places_and_the_rest_is_zero():
    outputs = {(0, 1): torch.tensor([1.0, 2.0]), (1, 2): torch.tensor([3.0, 4.0])}
    stacked = stack_present(outputs, (2, 3))
    assert stacked.tolist() == [[[0, 0], [1, 2], [0, 0]], [[0, 0], [0, 0], [3, 4]]]
