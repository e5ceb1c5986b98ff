import torch
from monai.networks.nets import DynUNet

from bundle.peers.early_fusion import EarlyFusion
from bundle.tasks.default import DEFAULT_TASK
from tests.mixture.networks import SHAPE, unet_options

MODALITIES = DEFAULT_TASK.modality_names


def test_early_fusion_is_its_unet_on_the_image_with_absent_channels_zeroed():
    unet, image = DynUNet(**unet_options(4)), torch.randn(1, 4, *SHAPE)
    presence = torch.tensor([[True, False, True, True]])
    with torch.inference_mode():
        expected = unet(image * presence[:, :, None, None, None])
        assert torch.equal(EarlyFusion(unet)(image, presence), expected)


def test_its_weights_are_equal_and_its_channels_have_the_names_of_the_modalities():
    network, image = EarlyFusion(DynUNet(**unet_options(4))), torch.randn(1, 4, *SHAPE)
    presence = torch.tensor([[True, False, False, True]])
    with torch.inference_mode():
        _, weights = network.mix(network.encode(image, presence), image, presence)
    assert network.modalities == MODALITIES
    assert weights[0].tolist() == [[0.5] * 3, [0.0] * 3, [0.0] * 3, [0.5] * 3]
