import math

import pytest
import torch

from bundle.mixing import (
    binary_entropy,
    derive_presence,
    hide_absent,
    mixing_weights,
    uniform_weights,
    weighted_sum,
)
from bundle.modalities import all_sets

SETS = pytest.mark.parametrize("flags", all_sets(), ids=str)
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
    presence, maps, weights = torch.tensor([flags]), torch.randn(1, M, R, *VOXELS), torch.rand(1, M, R)
    expected = sum(maps[0, m] * weights[0, m, :, None, None, None] for m in range(M) if flags[m])
    poisoned = torch.where(presence[:, :, None, None, None, None], maps, math.nan)
    assert torch.allclose(weighted_sum(poisoned, weights, presence)[0], expected, atol=1e-6)


def test_uniform_weights_share_equally():
    assert uniform_weights(torch.tensor([[True, False, True, True]]), R)[0, :, 0].tolist() == pytest.approx(
        [1 / 3, 0, 1 / 3, 1 / 3]
    )


def test_presence_is_read_off_whole_volumes():
    image = torch.zeros(2, M, *VOXELS)
    image[0, 1, 2, 3, 4] = -0.5
    assert derive_presence(image).tolist() == [[False, True, False, False], [False] * 4]


def test_hiding_replaces_whatever_an_absent_channel_holds():
    hidden = hide_absent(torch.full((1, M, *VOXELS), math.nan), torch.zeros(1, M, dtype=torch.bool))
    assert (hidden == 0).all()


def test_entropy_is_one_bit_at_even_odds_and_zero_when_sure():
    entropy = binary_entropy(torch.tensor([0.0, 0.11, 0.5, 1.0, 1.0000001]))
    assert entropy.tolist() == pytest.approx([0, -(0.11 * math.log2(0.11) + 0.89 * math.log2(0.89)), 1, 0, 0], abs=1e-6)
