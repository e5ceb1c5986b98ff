import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from pydoc import locate
from typing import Any

import pytest
import torch
import yaml
from torch import nn

import bundle
from bundle.configuration import load_config
from bundle.datasets.labelled_cases import labelled_cases
from bundle.mixture.dmome import DMoME
from bundle.serving.requests import MAP_SETS, MAPS, NUMBERING, OVERLAP
from bundle.tasks.modalities import MODALITIES
from bundle.tasks.regions import CONVENTIONS, LABEL_NAMES, REGIONS
from tests.conftest import TINY_EXPERT

ROOT = Path(bundle.__file__).resolve().parents[1]
TRAINING = ("train_experts.yaml", "train.yaml")
JUDGING = ("inference.yaml", "evaluate.yaml")
CONFIGS = (*JUDGING, *TRAINING)
OVERLAYS = (
    "monai_label.yaml",
    "multi_gpu_train.yaml",
    "tensorboard.yaml",
)  # merged over those of training
NOT_COMPONENTS = {"imports", "initialize", "run", "finalize"}


def read(name: str) -> dict[str, Any]:
    return yaml.safe_load((ROOT / "configs" / name).read_text(encoding="utf-8"))


def walk(value: Any) -> Iterator[Any]:
    yield value
    for part in (
        value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    ):
        yield from walk(part)


def targets(config: dict[str, Any]) -> set[str]:
    return {
        part["_target_"] for part in walk(config) if isinstance(part, dict) and "_target_" in part
    }


def pins() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return {
        name.lower(): version
        for name, version in (line.split("==") for line in lines if "==" in line)
    }


def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@pytest.fixture(scope="module")
def metadata() -> dict[str, Any]:
    return json.loads((ROOT / "configs" / "metadata.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def tiny_values(phantom_folder, tiny_settings, tmp_path_factory) -> dict[str, dict[str, Any]]:
    """Config to settings with which all of it can be built in seconds."""
    out = tmp_path_factory.mktemp("out")
    common = {"dataset_dir": phantom_folder, "output_dir": out}
    training = {
        **common,
        "expert": TINY_EXPERT,
        "roi_size": [64, 64, 64],
        "device_name": "cpu",
        "num_workers": 0,
        "cache_rate": 0.0,
    }
    network = load_config("train_experts.yaml", training).get_parsed_content("network_def")
    torch.save(network.state_dict(), out / "experts.pt")
    return {
        **{name: {**common, **tiny_settings} for name in JUDGING},
        **dict.fromkeys(TRAINING, training),
    }


def test_every_config_stands_alone_or_is_merged_over_one_that_does():
    assert {path.name for path in (ROOT / "configs").glob("*.yaml")} == {*CONFIGS, *OVERLAYS}


@pytest.mark.parametrize(
    ("name", "target"),
    [(name, target) for name in (*CONFIGS, *OVERLAYS) for target in sorted(targets(read(name)))],
)
def test_every_target_names_something_that_can_be_called(name, target):
    assert callable(locate(target))


@pytest.mark.parametrize("name", CONFIGS)
def test_every_component_can_be_built(name, tiny_values):
    parser = load_config(name, tiny_values[name])
    for key in sorted(set(parser.get()) - NOT_COMPONENTS):
        parser.get_parsed_content(key)
    assert isinstance(parser.get_parsed_content("network"), DMoME)
    assert parser.get_parsed_content("network").modalities == MODALITIES


@pytest.mark.parametrize("stage", TRAINING)
@pytest.mark.parametrize("overlay", [name for name in OVERLAYS if name != "monai_label.yaml"])
def test_every_component_can_be_built_with_an_overlay(stage, overlay, tiny_values):
    pytest.importorskip("tensorboard")
    parser = load_config(stage, tiny_values[stage], [ROOT / "configs" / overlay])
    for key in sorted(set(parser.get()) - NOT_COMPONENTS):
        parser.get_parsed_content(key)


def test_every_component_of_the_train_task_of_monai_label_can_be_built(tiny_values):
    values = {
        key: value for key, value in tiny_values["train.yaml"].items() if key != "dataset_dir"
    }
    values["checkpoint"] = values["output_dir"] / "experts.pt"
    parser = load_config("train.yaml", values, [ROOT / "configs" / "monai_label.yaml"])
    cases = labelled_cases(tiny_values["train.yaml"]["dataset_dir"])
    parser["train#dataset#data"] = parser["validate#dataset#data"] = cases
    for key in sorted(set(parser.get()) - NOT_COMPONENTS):
        parser.get_parsed_content(key)


@pytest.mark.parametrize("name", CONFIGS)
def test_the_four_experts_of_a_config_share_no_weights(name, tiny_values):
    network = load_config(name, tiny_values[name]).get_parsed_content("network_def")
    pointers = [parameter.data_ptr() for parameter in network.parameters()]
    assert len(set(pointers)) == len(pointers)


@pytest.mark.parametrize(
    ("name", "moving"), [("train_experts.yaml", "experts."), ("train.yaml", "")]
)
def test_the_optimizer_holds_the_weights_that_its_stage_trains(name, moving, tiny_values):
    parser = load_config(name, tiny_values[name])
    network: nn.Module = parser.get_parsed_content("network")
    held = {
        id(value)
        for group in parser.get_parsed_content("optimizer").param_groups
        for value in group["params"]
    }
    assert held == {
        id(value) for key, value in network.named_parameters() if key.startswith(moving)
    }


@pytest.mark.parametrize("name", CONFIGS)
def test_a_number_with_an_exponent_is_a_number(name):
    texts = [part for part in walk(read(name)) if isinstance(part, str)]
    assert [text for text in texts if re.fullmatch(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+", text)] == []


@pytest.mark.parametrize("name", CONFIGS)
def test_no_expression_holds_a_condition_a_loop_or_a_lambda(name):
    expressions = [
        part for part in walk(read(name)) if isinstance(part, str) and part.startswith("$")
    ]
    assert [text for text in expressions if re.search(r"\b(if|for|lambda)\b", text)] == []


@pytest.mark.parametrize("name", CONFIGS)
def test_no_import_statement_names_the_package(name):
    """MONAI resolves them before anything can put the bundle's folder on Python's path."""
    assert [line for line in read(name)["imports"] if "bundle" in line] == []


def test_inference_offers_a_server_no_place_for_what_a_client_sends():
    """MONAI Label writes options into ``displayable_configs`` and parses the config anew: import
    statements run.
    """
    assert "displayable_configs" not in read("inference.yaml")
    assert not set(read("inference.yaml")) & {
        "detector",
        "use_click",
        "pre_transforms",
        "post_transforms",
    }


def test_nothing_that_monai_label_builds_for_inference_refers_to_the_device():
    """It writes the device that a client names into the config, where it must stay text that nobody
    reads.
    """
    config = read("inference.yaml")
    seen, waiting = set(), ["network_def", "preprocessing", "inferer", "postprocessing"]
    while waiting:
        part = waiting.pop()
        seen.add(part)
        texts = [text for text in walk(config[part]) if isinstance(text, str)]
        waiting += {name for text in texts for name in re.findall(r"[@%](\w+)", text)} - seen
    assert "checkpoint" in seen
    assert "device" not in seen


def test_the_description_that_a_server_shows_names_every_option_with_its_choices(metadata):
    described = metadata["description"].partition("MONAI Label")[2]
    for option, choices in (
        (OVERLAP, ()),
        ("modalities", ()),
        (NUMBERING, CONVENTIONS),
        (MAPS, MAP_SETS),
    ):
        assert all(re.search(rf"\b{word}\b", described) for word in (option, *choices))


@pytest.mark.parametrize(
    "key",
    [
        "bundle_root",
        "dataset_dir",
        "device_name",
        "device",
        "expert",
        "gate",
        "mixer",
        "network_def",
    ],
)
@pytest.mark.parametrize("name", [*TRAINING, "evaluate.yaml"])
def test_training_and_judging_say_the_same_as_inference(name, key):
    assert read(name)[key] == read("inference.yaml")[key]


def test_the_two_stages_differ_only_where_they_should():
    first, second = (read(name) for name in TRAINING)
    own = {
        "epochs",
        "stage",
        "start_from",
        "trained_parts",
        "loss",
        "crop_transforms",
        "resume_settings",
        "run",
    }
    own |= {
        "training_cases",
        "checked",
    }  # which experts begin at random, and settings of one stage only
    compared = (first.keys() & second.keys()) - own - {"train", "validate"}
    assert {key: first[key] for key in compared} == {key: second[key] for key in compared}
    assert first.keys() ^ second.keys() == {
        "trained_experts",
        "mofe_weight",
        "pairs",
        "export_model",
    }


def test_a_training_goes_on_only_with_the_settings_that_decide_what_it_becomes():
    """A setting is either held to its first value or does not change what is trained."""
    indifferent = {
        *(
            "bundle_root",
            "dataset_dir",
            "output_dir",
            "device_name",
            "label_convention",
            "split_file",
            "fold",
            "patterns",
        ),
        *(
            "validation_share",
            "overlap",
            "cache_rate",
            "cache_dir",
            "max_cache_gb",
            "num_workers",
            "time_limit_minutes",
        ),
    }
    for name in TRAINING:
        text = (ROOT / "configs" / name).read_text(encoding="utf-8")
        part = text.split("# ---- Settings")[1].split("# ---- Components")[0]
        settings = set(re.findall(r"^(\w+):", part, re.M))
        assert settings - indifferent <= read(name)["resume_settings"].keys()


def test_the_two_stages_train_and_validate_with_the_same_parts():
    first, second = (read(name) for name in TRAINING)
    for section, own in (("train", {"inferer", "trainer"}), ("validate", {"sets", "best"})):
        compared = (first[section].keys() | second[section].keys()) - own
        assert {key: first[section].get(key) for key in compared} == {
            key: second[section].get(key) for key in compared
        }
    trainers = [{**config["train"]["trainer"], "prepare_batch": None} for config in (first, second)]
    assert trainers[0] == trainers[1]


def test_the_two_stages_augment_alike():
    first, second = (read(name)["crop_transforms"] for name in TRAINING)
    assert second[0] == "@pairs"
    assert second[1:] == first
    assert (
        read("train.yaml")["pairs"]["_target_"] == "bundle.mixture.modality_pairs.RandModalityPaird"
    )


def test_inference_prepares_an_image_as_training_does():
    def of_image(transform: dict[str, Any]) -> dict[str, Any]:
        label_only = {"keys", "mode", "with_label", "label_convention"}
        return {key: value for key, value in transform.items() if key not in label_only}

    *trained, cast, selection = read("train.yaml")["load_transforms"]
    assert cast["keys"] == "label"
    assert selection["_target_"] == "monai.transforms.SelectItemsd"
    deployed = read("inference.yaml")["preprocessing"]["transforms"]
    assert deployed.pop(1)["_target_"] == "bundle.serving.requests.TakeRequestd"
    assert [of_image(transform) for transform in trained] == [
        of_image(transform) for transform in deployed
    ]


@pytest.mark.parametrize("name", CONFIGS)
def test_the_configs_know_the_modalities_in_their_order_and_the_regions(name):
    config = read(name)
    assert tuple(config["network_def"]["experts"]) == MODALITIES
    assert config["gate"]["n_modalities"] == len(MODALITIES)
    assert config["gate"]["n_regions"] == config["expert"]["out_channels"] == len(REGIONS)


def test_metadata_names_the_modalities_in_channel_order(metadata):
    image = metadata["network_data_format"]["inputs"]["image"]
    assert image["channel_def"] == {
        str(channel): modality for channel, modality in enumerate(MODALITIES)
    }
    assert image["num_channels"] == len(MODALITIES)


def test_metadata_names_the_labels_by_their_values(metadata):
    labels = {str(value): label for value, label in LABEL_NAMES.items()}
    network, final = (
        metadata["network_data_format"][key]["pred"]
        for key in ("outputs", "post_processed_outputs")
    )
    assert (
        network["channel_def"] == final["channel_def"] == labels
    )  # of the network too: MONAI Label reads it there
    assert (network["num_channels"], final["num_channels"]) == (len(REGIONS), 1)
    assert final["value_range"] == [min(LABEL_NAMES), max(LABEL_NAMES)]
    for value, label in LABEL_NAMES.items():
        assert f"{value} {label}" in metadata["label_classes"]
        assert f"{value} {label}" in metadata["pred_classes"]


def test_metadata_package_and_project_have_one_version(metadata):
    assert metadata["version"] == bundle.__version__ == project()["version"]


def test_the_changelog_of_the_metadata_has_the_version(metadata):
    assert bundle.__version__ in metadata["changelog"]


def test_metadata_pins_what_the_constraints_pin(metadata):
    stated = {
        "monai": metadata["monai_version"],
        "torch": metadata["pytorch_version"],
        "numpy": metadata["numpy_version"],
        **{
            name.lower(): version for name, version in metadata["required_packages_version"].items()
        },
    }
    assert stated == {name: pins().get(name) for name in stated}


def test_metadata_requires_what_the_project_depends_on(metadata):
    named = {re.split(r"[<>=]", dependency)[0].lower() for dependency in project()["dependencies"]}
    required = {name.lower() for name in metadata["required_packages_version"]}
    assert required | {"torch", "monai", "numpy"} == named
