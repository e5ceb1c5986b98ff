"""Weights tell which settings of their training inference must have too."""

import json

import pytest
import torch

from bundle.config_files import find_overlay
from bundle.configuration import load_config
from bundle.errors import SetupError
from bundle.volume_networks.spacing import spacing_in, with_spacing
from bundle.weights.checkpoints import export_state, export_weights
from bundle.weights.state_file import read_weights
from bundle.weights.trained_as import TrainedAs
from tests.test_ablations import ABLATIONS, PEERS
from tests.test_bad_input import call, options

WIDTHS = [4, 6, 5]
COARSE = {"filters": WIDTHS, "spacing": 2, "device_name": "cpu", "start_from": None}


@pytest.fixture
def case(phantom_folder):
    return sorted(phantom_folder.iterdir())[0]


def exported(folder, overlays=(), **settings):
    """Write weights as a training of these settings leaves them."""
    folder.mkdir(exist_ok=True)
    torch.manual_seed(0)
    config = load_config("train.yaml", {**COARSE, **settings}, overlays)
    network = config.get_parsed_content("network")
    torch.save(network.state_dict(), folder / "mixture.pt")
    export_weights(network, folder / "mixture.pt", folder / "model.pt")
    return folder / "model.pt"


@pytest.mark.parametrize("widths", [WIDTHS, [8, 4, 4], [2, 3, 4, 5, 6, 7]], ids=len)
@pytest.mark.parametrize("spacing", [1, 2, 3])
def test_they_tell_filters_and_spacing(tmp_path, widths, spacing):
    trained = TrainedAs(exported(tmp_path, filters=widths, spacing=spacing))
    assert (trained.filters, trained.spacing) == (widths, spacing)


def test_one_network_of_all_channels_tells_them_too(tmp_path):
    path = exported(tmp_path, [find_overlay("early_fusion")])
    assert (TrainedAs(path).filters, TrainedAs(path).spacing) == (WIDTHS, 2)


@pytest.mark.parametrize("name", [*ABLATIONS, *PEERS])
def test_what_an_overlay_trains_is_judged_with_the_overlay_alone(tmp_path, name):
    overlay = find_overlay(name)
    path = exported(tmp_path, [overlay])
    config = load_config("evaluate.yaml", {"checkpoint": path}, [overlay], trained_with=True)
    assert spacing_in(config.get_parsed_content("verified").state_dict()) == 2


def test_what_is_given_is_not_asked(tmp_path):
    given = TrainedAs(tmp_path / "absent.pt", filters=(8, 16), spacing=4)
    assert (given.filters, given.spacing) == ([8, 16], 4)
    for name in ("filters", "spacing"):
        with pytest.raises(SetupError, match=r"absent\.pt must be readable"):
            getattr(TrainedAs(tmp_path / "absent.pt"), name)


def test_weights_from_before_are_of_1_mm_and_those_of_other_networks_tell_no_filters(tmp_path):
    export_state(torch.nn.Linear(2, 2).state_dict(), tmp_path / "other.pt")
    assert TrainedAs(tmp_path / "other.pt").spacing == 1
    with pytest.raises(SetupError, match="must hold U-Nets") as caught:
        TrainedAs(tmp_path / "other.pt").filters  # noqa: B018 it is asked
    assert caught.value.code == "E_WEIGHTS"


def test_a_network_built_for_them_has_their_shapes_and_voxels(tmp_path):
    config = load_config("inference.yaml", {"checkpoint": exported(tmp_path)})
    network = config.get_parsed_content("verified")
    assert spacing_in(network.state_dict()) == config.get_parsed_content("sliding").spacing == 2
    assert network.experts["t1c"].filters == WIDTHS


@pytest.mark.parametrize(("trained", "given"), [(2, 1), (1, 2), (2, 3)])
def test_voxels_of_another_size_are_refused(tmp_path, trained, given):
    path = exported(tmp_path, spacing=trained)
    config = load_config("inference.yaml", {"checkpoint": path, "spacing": given})
    with pytest.raises(SetupError, match=f"voxels of {trained} mm.* got {given} mm") as caught:
        config.get_parsed_content("verified")
    assert caught.value.code == "E_WEIGHTS"


def test_a_training_may_start_from_weights_of_other_voxels(tmp_path):
    path = exported(tmp_path / "coarse")
    fine = load_config("train.yaml", {**COARSE, "spacing": 1, "start_from": path})
    network = fine.get_parsed_content("network")
    assert spacing_in(network.state_dict()) == 1
    taken = read_weights(path)
    assert taken.pop("spacing") == 2
    assert all(torch.equal(network.state_dict()[name], taken[name].float()) for name in taken)


def test_a_case_is_segmented_without_a_word_on_them(case, tmp_path):
    path = exported(tmp_path / "weights")
    asked = ["-o", tmp_path / "out", "--checkpoint", path, *options({"device_name": "cpu"})]
    result = call("segment", case, *asked)
    assert result.exit_code == 0, result.output
    told = json.loads((tmp_path / "out" / case.name / f"{case.name}.json").read_text())
    assert told["settings"]["spacing"] == 2


def test_the_spacing_is_no_part_of_what_is_trained():
    network = with_spacing(torch.nn.Linear(2, 2), 2)
    assert {name for name, _ in network.named_parameters()} == {"weight", "bias"}
    assert spacing_in(network.half().state_dict()) == 2
