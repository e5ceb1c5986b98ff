import pytest
import torch
from torch.nn.functional import conv3d

from bundle.volume_networks.gate import GateCNN


def paper_gate(gate, image):
    """The gate as the paper's supplement describes it, without any pooling: only defined at 128 x
    128 x 128.
    """
    features = image
    for layer in gate.features:
        convolution = layer[0]
        features = conv3d(features, convolution.weight, convolution.bias, stride=2, padding=1)
        mean = features.mean(dim=(2, 3, 4), keepdim=True)
        variance = features.var(dim=(2, 3, 4), unbiased=False, keepdim=True)
        features = ((features - mean) / (variance + 1e-5).sqrt()).clamp(min=0)
    return (features.reshape(1, 256) @ gate.linear.weight.T + gate.linear.bias).reshape(1, 4, 3)


def test_the_gate_equals_the_papers_at_128():
    gate, image = GateCNN(4, 3), torch.randn(1, 4, 128, 128, 128)
    assert torch.allclose(gate(image), paper_gate(gate, image), atol=1e-5)


@pytest.mark.parametrize("size", [64, 96, 160])
def test_the_gate_scores_other_windows_too(size):
    scores = GateCNN(4, 3)(torch.randn(1, 4, size, size, size))
    assert scores.shape == (1, 4, 3)
    assert scores.isfinite().all()


def test_a_window_of_pure_background_has_finite_scores():
    assert GateCNN(4, 3)(torch.zeros(1, 4, 64, 64, 64)).isfinite().all()


def test_the_gate_has_about_five_thousand_parameters():
    assert (
        sum(parameter.numel() for parameter in GateCNN(4, 3).parameters())
        == 5 * (4 * 4 * 27 + 4) + 256 * 12 + 12
    )


@pytest.mark.parametrize("shape", [(64, 64, 64), (96, 96, 96), (160, 64, 224), (36, 40, 300)])
def test_an_exported_gate_gives_the_same_scores(shape):
    gate, image = GateCNN(4, 3).eval(), torch.randn(2, 4, *shape)
    exported = torch.export.export(gate, (image,)).module()
    assert torch.allclose(exported(image), gate(image), atol=1e-5)
