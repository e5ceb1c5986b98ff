import pytest
import torch
from monai.networks.nets import DynUNet

from bundle.errors import SetupError
from bundle.volume_networks.unet_halves import UNetDecoder, UNetEncoder
from bundle.volume_networks.windows import checked_roi_size, deepest_size
from tests.mixture.networks import SHAPE, unet_options


def test_both_halves_after_one_another_are_the_whole():
    unet, image = DynUNet(**unet_options()).eval(), torch.randn(2, 1, *SHAPE)
    with torch.inference_mode():
        assert torch.equal(UNetDecoder(unet)(UNetEncoder(unet)(image)), unet(image))


def test_levels_come_finest_first_and_each_is_half_as_fine_as_the_one_before():
    encoder = UNetEncoder(DynUNet(**unet_options()))
    levels = encoder(torch.randn(1, 1, *SHAPE))
    assert [level.shape[1] for level in levels] == list(encoder.filters)
    assert [level.shape[2:] for level in levels] == [(36, 40, 44), (18, 20, 22), (9, 10, 11)]


def test_the_halves_share_no_weights_and_together_have_all():
    unet = DynUNet(**unet_options())
    halves = [
        {id(value) for value in half(unet).parameters()} for half in (UNetEncoder, UNetDecoder)
    ]
    assert halves[0].isdisjoint(halves[1])
    assert halves[0] | halves[1] == {id(value) for value in unet.parameters()}


def test_windows_that_half_a_unet_cannot_halve_are_refused_too():
    encoder = UNetEncoder(DynUNet(**unet_options()))
    assert deepest_size([16, 20, 24], encoder) == 6
    with pytest.raises(SetupError, match="multiples of 4"):
        checked_roi_size([16, 20, 22], encoder)
