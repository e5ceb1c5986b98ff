import pytest
import torch

from bundle.classification.lenet import FeatureHead, LeNet, TwoLayerCNN
from bundle.mixture.features import without_output


@pytest.mark.parametrize(("size", "n_weights"), [(28, 61_706), (20, 30_986)])
def test_lenet_has_the_published_layers(size, n_weights):
    """28 x 28: 156 + 2,416 + 48,120 + 10,164 + 850 weights; 20 x 20 has 9 instead of 25 places a
    map.
    """
    network = LeNet(size, 10)
    assert sum(one.numel() for one in network.parameters()) == n_weights
    assert network(torch.rand(3, 1, size, size)).shape == (3, 10)


def test_features_have_the_names_and_values_of_the_whole_network():
    whole, features = LeNet(28, 10), without_output(LeNet(28, 10))
    state = {k: v for k, v in whole.state_dict().items() if not k.startswith("output_block")}
    features.load_state_dict(state)
    picture = torch.rand(2, 1, 28, 28)
    assert torch.equal(whole.output_block(features(picture)), whole(picture))


@pytest.mark.parametrize("size", [28, 20, 32])
def test_the_gates_features_are_128_of_pictures_of_any_size(size):
    assert TwoLayerCNN()(torch.rand(2, 1, size, size)).shape == (2, 128)


def test_the_head_of_mixed_features_is_not_linear():
    head, a, b = FeatureHead(84, 10), torch.randn(1, 84), torch.randn(1, 84)
    assert not torch.allclose(head((a + b) / 2), (head(a) + head(b)) / 2, atol=1e-3)


def test_cases_do_not_influence_each_other():
    network, batch = LeNet(20, 10), torch.rand(4, 1, 20, 20)
    assert torch.allclose(network(batch)[2:3], network(batch[2:3]), atol=1e-6)
