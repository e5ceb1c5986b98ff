import torch
from monai.networks.nets import DynUNet

from bundle.mixture.mixing import weighted_sum
from bundle.volume_networks.experts import FeatureHead, feature_expert, unet
from tests.mixture.networks import SHAPE, unet_options


def test_a_feature_expert_has_all_names_of_the_whole_network_but_those_of_its_output_layer():
    whole, features = (
        DynUNet(**unet_options()).state_dict(),
        feature_expert(**unet_options()).state_dict(),
    )
    assert whole.keys() - features.keys() == {
        "output_block.conv.conv.weight",
        "output_block.conv.conv.bias",
    }
    assert features.keys() <= whole.keys()


def test_the_output_layer_makes_of_a_feature_expert_the_whole_network():
    whole, expert = unet(**unet_options()), feature_expert(**unet_options())
    expert.load_state_dict({name: whole.state_dict()[name] for name in expert.state_dict()})
    image = torch.randn(1, 1, *SHAPE)
    with torch.inference_mode():
        assert expert(image).shape == (1, 4, *SHAPE)
        assert torch.equal(whole.output_block(expert(image)), whole(image))


def test_the_head_does_not_commute_with_the_mixing():
    head, maps = FeatureHead(4, 3), torch.randn(1, 2, 4, 5, 6, 7)
    weights, presence = torch.tensor([[[0.3], [0.7]]]), torch.ones(1, 2, dtype=torch.bool)
    with torch.inference_mode():
        mixed_features = head(weighted_sum(maps, weights, presence))
        mixed_logits = weighted_sum(
            torch.stack([head(maps[:, m]) for m in range(2)], dim=1), weights, presence
        )
    assert mixed_features.shape == (1, 3, 5, 6, 7)
    assert (mixed_features - mixed_logits).abs().max() > 0.1
