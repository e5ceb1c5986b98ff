import ast
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from pydoc import locate
from typing import Any

import pytest
import torch
import yaml
from monai.bundle import ConfigParser
from torch import nn

import bundle
from bundle.config_files import check_merged, config_files
from bundle.configuration import load_config
from bundle.datasets.labelled_cases import labelled_cases
from bundle.errors import UsageError
from bundle.mixture.dmome import DMoME
from bundle.mixture.modality_pairs import RandModalityPaird
from bundle.serving.requests import MAP_SETS, MAPS, NUMBERING, OVERLAP
from bundle.tasks.default import DEFAULT_TASK
from tests.conftest import TINY_EXPERT

MODALITIES = DEFAULT_TASK.modality_names
LABEL_NAMES = DEFAULT_TASK.label_names
REGIONS = DEFAULT_TASK.region_names

ROOT = Path(bundle.__file__).resolve().parents[1]
TRAINING = ("train_experts.yaml", "train.yaml")
JUDGING = ("inference.yaml", "evaluate.yaml")
CONFIGS = (*JUDGING, *TRAINING)
OVERLAYS = (
    "monai_label.yaml",
    "multi_gpu_train.yaml",
    "tensorboard.yaml",
)  # merged over those of training
ACTIONS = {"initialize", "run", "finalize"}
NOT_COMPONENTS = {"imports", *ACTIONS}
ALL_FILES = sorted(
    path for path in (ROOT / "configs").rglob("*.yaml") if path.parent.name != "tasks"
)
PAGES = sorted(
    [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("models/*.md"), *ALL_FILES]
)
PLAIN = (
    *(ast.Expression, ast.Constant, ast.Name, ast.Attribute, ast.Load, ast.Call, ast.keyword),
    *(ast.BinOp, ast.operator, ast.Compare, ast.cmpop, ast.Subscript, ast.List, ast.Tuple),
    *(ast.UnaryOp, ast.Not, ast.USub),
)
QUESTIONS = {
    *("str", "int", "len", "min", "list", "type"),
    *(
        "os.environ.get",
        "os.path.isfile",
        "time.strftime",
        "idist.get_rank",
        "idist.get_world_size",
    ),
    *("handlers.from_engine", "to", "parameters", "all_sets", "single_sets"),
}
"""Calls that tell something and change nothing; "to" moves a network to its device."""


def own(name: str) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((ROOT / "configs" / name).read_text(encoding="utf-8"))
    return content


def read(name: str) -> dict[str, Any]:
    """Read a config, merged over those that it needs, as MONAI merges them."""
    content: dict[str, Any] = ConfigParser.load_config_files(config_files(name))
    return content


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
    [(name, target) for name in (*CONFIGS, *OVERLAYS) for target in sorted(targets(own(name)))],
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


def expressions(config: Any) -> list[str]:
    return [part for part in walk(config) if isinstance(part, str) and part.startswith("$")]


def code_in(expression: str) -> list[str]:
    """List what an expression does besides naming, joining, picking and asking."""
    tree = ast.parse(re.sub(r"@([\w#:]+)", r"x", expression.removeprefix("$")), mode="eval")
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    said = [ast.unparse(node.func).removeprefix("x.") for node in calls]
    programs = [type(node).__name__ for node in ast.walk(tree) if not isinstance(node, PLAIN)]
    return programs + [name for name in said if name not in QUESTIONS]


@pytest.mark.parametrize("path", ALL_FILES, ids=lambda path: path.name)
def test_an_expression_names_joins_or_asks_and_does_nothing(path):
    config = yaml.safe_load(path.read_text(encoding="utf-8"))
    parts = {key: value for key, value in config.items() if key.lstrip("+") not in ACTIONS}
    imports = parts.pop("imports", []) + parts.pop("+imports", [])
    assert all(re.fullmatch(r"\$import [\w.]+( as \w+)?", line) for line in imports)
    assert [text for text in expressions(parts) if code_in(text)] == []


@pytest.mark.parametrize("path", ALL_FILES, ids=lambda path: path.name)
def test_what_a_run_does_is_one_call_of_something_that_has_a_name(path):
    config = yaml.safe_load(path.read_text(encoding="utf-8"))
    steps = [step for key in config if key.lstrip("+") in ACTIONS for step in config[key]]
    calls = [step for step in steps if not re.fullmatch(r"@\w+", step)]
    assert [call for call in calls if not re.fullmatch(r"\$@?[\w#.]+\(.*\)", call)] == []
    arguments = [re.sub(r"^\$@?[\w#.]+\((.*)\)$", r"$f(\1)", call) for call in calls]
    inner = [set(code_in(text)) for text in arguments]
    assert set().union(*inner) <= {"f", "run"}


@pytest.mark.parametrize(
    "expression",
    [
        "$1 if @a else 2",
        "$[x for x in @a]",
        "$(lambda: 1)()",
        "$@a in sys.path or sys.path.insert(1, @a)",
        "$sys.path.insert(1, @a)",
        "$not @a.pop()",
        "$__import__('os').system('x')",
        "$(b := @a)",
        "$@a.update(b=1)",
        "$f'{@a}'",
    ],
)
def test_code_in_an_expression_is_seen(expression):
    assert code_in(expression) != []


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
        (NUMBERING, DEFAULT_TASK.numberings),
        (MAPS, MAP_SETS),
    ):
        assert all(re.search(rf"\b{word}\b", described) for word in (option, *choices))


@pytest.mark.parametrize(
    "key",
    [
        *("bundle_root", "task_name", "code", "task", "dataset_dir", "device_name", "device"),
        *("expert", "gate", "mixer", "network_def"),
    ],
)
def test_training_says_the_same_as_inference(key):
    here = read("train.yaml")[key]
    if key == "expert":
        here = {**here, "filters": "$@trained_as.filters"}
    assert here == read("inference.yaml")[key]


@pytest.mark.parametrize(
    ("name", "over"), [("evaluate.yaml", "inference.yaml"), ("train_experts.yaml", "train.yaml")]
)
def test_an_overlay_names_what_it_is_merged_over_and_repeats_nothing_of_it(name, over):
    overlay = own(name)
    assert [path.name for path in config_files(name)] == [over, name]
    assert read(name)["merged"] == [over, name]
    assert [
        key for key in overlay.keys() & read(over).keys() if overlay[key] == read(over)[key]
    ] == []
    assert set(overlay["unused"]) <= read(over).keys()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_command_in_a_document_merges_a_config_over_what_it_needs(page):
    given = re.findall(r"--config_file (\S+)", page.read_text(encoding="utf-8"))
    for names in (re.findall(r"configs/([\w/]+\.yaml)", files) for files in given):
        for place, name in enumerate(names):
            needed = {
                path.relative_to(ROOT / "configs").as_posix() for path in config_files(name)[:-1]
            }
            assert needed <= set(names[:place])


def test_an_overlay_alone_says_what_it_is_merged_over(monkeypatch):
    monkeypatch.setattr("sys.excepthook", sys.excepthook)
    check_merged(["train.yaml", "train_experts.yaml"], over="train.yaml")
    with pytest.raises(UsageError) as caught:
        check_merged(["evaluate.yaml"], over="inference.yaml")
    assert "['configs/inference.yaml','configs/evaluate.yaml']" in str(caught.value)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["evaluate.yaml", "train_experts.yaml"])
def test_an_overlay_that_is_run_alone_ends_with_the_sentence(name, tmp_path):
    command = [sys.executable, "-m", "monai.bundle", "run", "--config_file"]
    done = subprocess.run(
        [*command, str(ROOT / "configs" / name)], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith(f"E_OVERLAY: configs/{name} must be merged over")


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
            "task_name",
            "filters",  # the network says what it is
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
        config = read(name)
        settings = set(config["checked_settings"]) - set(config.get("unused", ()))
        held = config["resume_settings"].keys() | config["stage_settings"].keys()
        assert settings - indifferent <= held


def test_the_first_stage_augments_as_the_second_but_draws_no_sets():
    second, first = (load_config(name, {}) for name in ("train.yaml", "train_experts.yaml"))
    kinds = [type(part) for part in second.get_parsed_content("crop_transforms")]
    assert kinds[0] is RandModalityPaird
    assert [type(part) for part in first.get_parsed_content("crop_transforms")] == kinds[1:]


def test_inference_prepares_an_image_as_training_does():
    def of_image(transform: dict[str, Any]) -> dict[str, Any]:
        return {key: value for key, value in transform.items() if key not in ("keys", "mode")}

    load, *trained, pooled, cast, selection = read("train.yaml")["load_transforms"]
    assert load == read("evaluate.yaml")["load"][0]
    assert pooled["spacing"] == read("train.yaml")["spaced"]["spacing"] == "@spacing"
    for name in ("inference.yaml", "evaluate.yaml"):
        assert read(name)["sliding"]["spacing"] == "@spacing_here"
    assert cast["keys"] == "label"
    assert selection["_target_"] == "monai.transforms.SelectItemsd"
    *deployed, warn = read("inference.yaml")["prepare"]
    assert warn["_target_"] == "bundle.cases.likeness.WarnOfUnlikenessd"
    assert [of_image(transform) for transform in trained] == list(map(of_image, deployed))


@pytest.mark.parametrize("name", CONFIGS)
def test_the_numbers_of_modalities_and_regions_follow_from_the_task(name, task_file):
    config = load_config(name, {"task_name": task_file})
    task = config.get_parsed_content("task")
    network = config.get_parsed_content("network_def")
    assert network.modalities == task.modality_names == ("flair", "t1", "t2")
    assert (network.gate.n_modalities, network.gate.n_regions) == (3, 1)
    assert {expert.out_channels for expert in network.experts.values()} == {1}


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
