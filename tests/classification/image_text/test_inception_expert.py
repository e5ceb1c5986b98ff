from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from torch import nn

from bundle.classification.image_text.inception_expert import (
    InceptionExpert,
    freeze_batch_norms,
    load_features,
)
from bundle.errors import SetupError

HAS_TORCHVISION = find_spec("torchvision") is not None
WHY = "needs the extra [inception], whose torchvision must be built for the torch that is here"


def small() -> nn.Module:
    """Layers of the kinds that Inception-V3 has."""
    torch.manual_seed(1)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU())


def saved(path: Path, state: dict) -> Path:
    torch.save(state, path)
    return path


def test_features_are_loaded_and_the_outputs_of_imagenet_are_left_out(tmp_path):
    state = {name: value + 1 for name, value in small().state_dict().items()}
    outputs = {"fc.weight": torch.zeros(9, 9), "AuxLogits.fc.weight": torch.zeros(9, 9)}
    network = small()
    load_features(network, saved(tmp_path / "a.pth", {**state, **outputs}))
    loaded = network.state_dict()
    weights = [name for name in state if not name.endswith("num_batches_tracked")]
    assert len(weights) == 6
    assert all(loaded[name].equal(state[name]) for name in weights)


def test_a_file_from_before_batches_were_counted_fits(tmp_path):
    state = small().state_dict()
    del state["1.num_batches_tracked"]
    load_features(small(), saved(tmp_path / "a.pth", dict(state)))


def renamed(state: dict) -> dict:
    return {f"module.{name}": value for name, value in state.items()}


def reshaped(state: dict) -> dict:
    return {**state, "0.weight": torch.zeros(4, 3, 5, 5)}


def shortened(state: dict) -> dict:
    return {name: value for name, value in state.items() if name != "1.running_var"}


@pytest.mark.parametrize("spoil", [renamed, reshaped, shortened])
def test_weights_of_another_network_are_refused_with_where_the_right_ones_come_from(
    tmp_path, spoil
):
    path = saved(tmp_path / "a.pth", spoil(dict(small().state_dict())))
    with pytest.raises(SetupError, match=r"inception_v3_google-0cc3c7bd\.pth of") as caught:
        load_features(small(), path)
    assert caught.value.code == "E_WEIGHTS"
    assert "a.pth must hold the weights of Inception-V3; got" in str(caught.value)


def test_a_damaged_file_is_refused(tmp_path):
    path = saved(tmp_path / "a.pth", dict(small().state_dict()))
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(SetupError) as caught:
        load_features(small(), path)
    assert caught.value.code == "E_WEIGHTS"


@pytest.mark.parametrize("file", [None, "nowhere.pth"])
def test_no_file_is_refused_before_anything_is_built(file, tmp_path):
    with pytest.raises(SetupError, match="image_weights must be the file") as caught:
        InceptionExpert(file and tmp_path / file, 5)
    assert caught.value.code == "E_WEIGHTS"


def test_frozen_batch_norms_let_no_case_influence_another():
    network, pictures = small().train(), torch.randn(3, 3, 8, 8)
    freeze_batch_norms(network)
    before = network[1].running_mean.clone()
    alone = torch.cat([network(picture.unsqueeze(0)) for picture in pictures])
    assert torch.allclose(network(pictures), alone, atol=1e-6)
    assert network[1].running_mean.equal(before)


@pytest.mark.skipif(HAS_TORCHVISION, reason="torchvision is installed")
def test_without_torchvision_the_command_that_installs_it_is_said(tmp_path):
    path = saved(tmp_path / "a.pth", {})
    with pytest.raises(SetupError, match=r"pip install -e \"\.\[inception\]\"") as caught:
        InceptionExpert(path, 5)
    assert caught.value.code == "E_EXTRA"


@pytest.mark.skipif(not HAS_TORCHVISION, reason=WHY)
def test_inception_loads_its_weights_and_keeps_its_batch_norms_in_training(tmp_path):
    from torchvision.models import inception_v3

    published = inception_v3(weights=None, aux_logits=True, init_weights=False)
    path = saved(tmp_path / "a.pth", published.state_dict())
    expert = InceptionExpert(path, 5).train()
    norms = [layer for layer in expert.modules() if isinstance(layer, nn.BatchNorm2d)]
    assert len(norms) > 90
    assert not any(layer.training for layer in norms)
    assert expert.inception.dropout.training
    pictures = torch.rand(2, 3, 299, 299) * 2 - 1
    with torch.inference_mode():
        assert expert.eval()(pictures).shape == (2, 5)
        published.fc = nn.Identity()
        assert torch.allclose(expert.inception(pictures), published.eval()(pictures), atol=1e-4)
