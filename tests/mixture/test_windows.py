import pytest
from monai.networks.nets import DynUNet
from torch import nn

from bundle.errors import SetupError
from bundle.mixture.dmome import DMoME
from bundle.mixture.gate import GateCNN
from bundle.mixture.mixers import LogitMixer
from bundle.mixture.windows import checked_roi_size, deepest_size


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
