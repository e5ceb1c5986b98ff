import math

import pytest
from monai.networks.nets import DynUNet
from torch import nn

from bundle.errors import SetupError
from bundle.mixture.dmome import DMoME
from bundle.mixture.mixers import LogitMixer
from bundle.setting_kinds import WHOLE
from bundle.volume_networks.gate import GateCNN
from bundle.volume_networks.windows import (
    LARGEST,
    checked_roi_size,
    checked_window,
    cube,
    deepest_size,
    window_over,
)


def unet(n_levels: int) -> DynUNet:
    halvings = [2] * (n_levels - 1)
    return DynUNet(
        3,
        1,
        3,
        [3] * n_levels,
        [1, *halvings],
        halvings,
        filters=[2] * n_levels,
        norm_name="instance",
    )


def mixture(n_levels: int) -> nn.Module:
    return DMoME({"t1n": unet(n_levels), "t1c": unet(n_levels)}, GateCNN(2, 3), LogitMixer())


@pytest.mark.parametrize("roi_size", [[64, 64, 64], [96, 64, 128], [64, 32, 32]])
def test_a_window_that_every_layer_can_take_is_given_back(roi_size):
    assert checked_roi_size(roi_size, mixture(6)) == tuple(roi_size)


@pytest.mark.parametrize(
    ("roi_size", "n_levels", "rule"),
    [
        ([80, 64, 64], 6, "multiples of 32"),  # the skip connections would not fit
        ([32, 32, 32], 6, "over 32"),  # one voxel in the deepest layer of the expert
        ([32, 32, 32], 4, "over 32"),  # and of the gate
        ([44, 40, 40], 4, "multiples of 8"),
    ],
)
def test_a_window_that_a_layer_would_choke_on_is_refused_by_the_name_of_the_setting(
    roi_size, n_levels, rule
):
    with pytest.raises(SetupError, match=rf"roi_size must be .*{rule}") as caught:
        checked_roi_size(roi_size, mixture(n_levels))
    assert str(roi_size) in str(caught.value)


def test_experts_without_a_gate_may_see_smaller_windows():
    assert checked_roi_size([16, 8, 8], unet(4)) == (16, 8, 8)


def test_a_network_without_u_nets_takes_any_window():
    assert checked_roi_size([5, 6, 7], nn.Conv3d(1, 3, 3)) == (5, 6, 7)


def test_the_deepest_size_is_that_of_the_longest_side():
    assert deepest_size([96, 64, 64], mixture(6)) == 3
    assert deepest_size([40, 40, 40], unet(4)) == 5
    assert deepest_size(checked_window(WHOLE, mixture(6)), mixture(6)) == 2
    assert deepest_size(checked_window(WHOLE, mixture(6), n_deepest=3), mixture(6)) == 3


def test_one_number_says_all_sides():
    assert cube(96) == [96, 96, 96]
    assert cube(WHOLE) == WHOLE


def test_a_fixed_window_is_the_same_for_every_case():
    window = checked_window([96, 64, 128], mixture(6))
    assert window_over(window, (140, 170, 140)) == (96, 64, 128)


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((138, 172, 137), (160, 192, 160)),
        ((128, 160, 96), (128, 160, 96)),
        ((40, 5, 200), (64, 64, 224)),  # a side that is halved five times keeps two voxels
    ],
)
def test_a_window_over_everything_is_the_case_rounded_up(shape, expected):
    assert window_over(checked_window(WHOLE, mixture(6)), shape) == expected


@pytest.mark.parametrize("shape", [(240, 240, 240), (500, 64, 512), (1000, 1000, 1000)])
def test_a_case_that_is_too_large_for_one_window_is_divided_along_its_longest_sides(shape):
    window = window_over(checked_window(WHOLE, mixture(6)), shape)
    assert LARGEST / 4 < math.prod(window) <= LARGEST
    assert all(side % 32 == 0 and side >= 64 for side in window)


def test_only_windows_that_fit_a_case_may_be_without_a_size():
    with pytest.raises(SetupError, match=r"roi_size must be multiples of 32 .*got whole"):
        checked_roi_size(WHOLE, mixture(6))


def test_whole_is_no_smaller_than_what_the_network_takes():
    network = mixture(6)
    window = window_over(checked_window(WHOLE, network), (1, 1, 1))
    assert checked_roi_size(window, network) == window
