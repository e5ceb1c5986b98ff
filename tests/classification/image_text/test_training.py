"""Both stages and the evaluation on a few drawn plates, as the configs say."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import bundle
from bundle.classification.image_text.bert_expert import BertExpert
from bundle.classification.image_text.case_files import read_image_text
from bundle.config_files import ConfigSet, config_set
from bundle.configuration import load_config
from bundle.errors import SetupError
from bundle.files.json_file import read_json
from bundle.mixture.dmome import DMoME
from bundle.settings import SETTINGS
from bundle.tasks.class_task import load_class_task
from bundle.training.stages import train
from tests.classification.image_text.conftest import WORDS

pytest.importorskip("bundle.classification.class_coverage")

ROOT = Path(bundle.__file__).parents[1]
INPUTS = {"image_size": 16, "max_tokens": 12, "n_buckets": 256}
SMALL_CNN = (
    "{_target_: bundle.classification.image_text.encoders.image_expert, n_classes: '@n_classes'}"
)
SHORT = {**INPUTS, "batch_size": 20, "device_name": "cpu"}
CONFIGS = ("train.yaml", "train_experts.yaml", "evaluate.yaml")
OVERLAYS = sorted(
    path.relative_to(ROOT / "configs" / "avmnist").as_posix()
    for folder in ("ablations", "peers", "variants")
    for path in (ROOT / "configs" / "avmnist" / folder).glob("*.yaml")
)


@pytest.fixture(scope="module")
def configs() -> ConfigSet:
    return config_set(load_class_task("image_text"))


@pytest.fixture(scope="module")
def trained(drawn_food, configs, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("trained")
    model = train(drawn_food, out, {**SHORT, "epochs": 2}, configs=configs)
    assert model == out / "model.pt"
    return out


def opened(name: str, configs: ConfigSet, values: dict[str, Any], overlays: list[Path] = []):  # noqa: B006
    return load_config(f"avmnist/{name}", values, [*configs.overlays([]), *overlays])


def test_both_stages_leave_weights_and_what_they_are_for(trained):
    about = read_json(trained / "model.json")
    assert about["task"] == "image_text"
    assert about["modalities"] == ["image", "text"]
    assert about["settings"] == INPUTS
    assert len(about["classes"]) == 6
    assert all((trained / f"{stage}.state").is_file() for stage in ("experts", "mixture"))


def test_the_second_stage_began_with_the_experts_of_the_first_and_moved_them(trained):
    experts = torch.load(trained / "experts.pt", weights_only=True)
    model = torch.load(trained / "model.pt", weights_only=True)
    assert {name for name in model if name.startswith("experts.")} == experts.keys()
    moved = [name for name, value in experts.items() if not value.equal(model[name])]
    assert len(moved) > len(experts) / 2


def test_the_evaluation_judges_pictures_titles_and_both(trained, drawn_food, configs, tmp_path):
    values = {"dataset_dir": drawn_food, "checkpoint": trained / "model.pt", **INPUTS}
    config = opened("evaluate.yaml", configs, {**values, "output_dir": tmp_path})
    config.get_parsed_content("initialize")
    config.get_parsed_content("run")
    assert {"scores.csv", "summary.json", "report.md"} <= {one.name for one in tmp_path.iterdir()}
    report = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert "24 cases of image_text" in report
    assert all(f"| {name} |" in report for name in ("Image", "Text", "Image+Text"))


def test_weights_are_not_judged_on_inputs_of_another_kind(trained, drawn_food, configs):
    values = {"dataset_dir": drawn_food, "checkpoint": trained / "model.pt", **INPUTS}
    config = opened("evaluate.yaml", configs, {**values, "n_buckets": 255})
    with pytest.raises(SetupError, match="n_buckets 256; got 255"):
        config.get_parsed_content("run")


def test_one_case_is_read_as_the_config_says(trained, drawn_food, configs):
    config = opened("train.yaml", configs, {"dataset_dir": drawn_food, **SHORT})
    image = next((drawn_food / "images" / "test").rglob("*.png"))
    read = config.get_parsed_content("read_case")({"image": image})
    expected = read_image_text({"image": image}, **INPUTS)
    assert all(read[name].equal(expected[name]) for name in expected)


@pytest.mark.parametrize("name", CONFIGS)
def test_the_config_has_its_settings_and_not_those_of_sounds(name, configs):
    config = opened(name, configs, {})
    assert config.get()["checked_settings"].keys() <= SETTINGS.keys()
    assert config.get()["checked_settings"].keys() >= INPUTS.keys()
    config.get_parsed_content("checked")
    with pytest.raises(SetupError, match="must have the setting audio_kind"):
        opened(name, configs, {"audio_kind": "smil"})


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_each_ablation_peer_and_variant_can_be_built_over_it(overlay, drawn_food, configs):
    values = {"dataset_dir": drawn_food, "start_from": None, **SHORT}
    path = ROOT / "configs" / "avmnist" / overlay
    config = opened("train.yaml", configs, values, [path])
    network = config.get_parsed_content("network_def").eval()
    cases = config.get_parsed_content("training_cases")
    presence = torch.tensor([[True, True], [True, False], [False, True]])
    inputs = cases.read([0, 1, 2])
    logits = network.mix(network.encode(inputs, presence), inputs, presence).logits
    assert logits.shape == (3, 6)
    assert logits.isfinite().all()


def test_the_network_is_a_mixture_whose_gate_reads_128_features_of_each(drawn_food, configs):
    config = opened("train.yaml", configs, {"dataset_dir": drawn_food, **SHORT})
    network = config.get_parsed_content("network_def")
    assert isinstance(network, DMoME)
    assert network.modalities == ("image", "text")
    gate: nn.Module = network.gate
    assert gate.linear.weight.shape == (2, 256)
    pointers = [parameter.data_ptr() for parameter in network.parameters()]
    assert len(set(pointers)) == len(pointers)


def test_experts_with_weights_from_elsewhere_train_on_them(
    drawn_food, configs, small_bert, tmp_path
):
    overlay = tmp_path / "small.yaml"
    overlay.write_text(f"plain_experts#image: {SMALL_CNN}\n", encoding="utf-8")
    values = {**SHORT, "dataset_dir": drawn_food, "output_dir": tmp_path / "out", "epochs": 1}
    del values["n_buckets"]
    path = ROOT / "configs" / "image_text" / "variants" / "pretrained.yaml"
    model = train(
        drawn_food,
        tmp_path / "out",
        {**values, "text_weights": small_bert},
        overlays=[str(path), str(overlay)],
        configs=configs,
    )
    about = read_json(model.with_suffix(".json"))
    assert about["settings"] == {**INPUTS, "n_buckets": len(WORDS), "tokens": "word_pieces"}
    name = "experts.text.bert.pooler.dense.weight"
    learned = torch.load(model, weights_only=True)[name]
    bert = BertExpert(small_bert, 6).bert
    assert not learned.equal(bert.pooler.dense.weight)
    assert torch.allclose(learned, bert.pooler.dense.weight, atol=0.01)


@pytest.mark.parametrize(
    ("values", "rule"),
    [({}, "text_weights must be a folder"), ({"text_weights": "nowhere"}, "no such file in now")],
)
def test_weights_from_elsewhere_that_are_not_there_are_said_in_a_sentence(
    drawn_food, configs, values, rule
):
    path = ROOT / "configs" / "image_text" / "variants" / "pretrained.yaml"
    config = opened("train.yaml", configs, {"dataset_dir": drawn_food, **values}, [path])
    with pytest.raises(SetupError, match=rule) as caught:
        config.get_parsed_content("network_def")
    assert caught.value.code == "E_WEIGHTS"


@pytest.mark.slow
def test_monai_bundle_run_gives_the_same_weights(trained, drawn_food, tmp_path):
    own = "configs/image_text/task.yaml"
    for files in (("train.yaml", "train_experts.yaml"), ("train.yaml",)):
        names = [*(f"configs/avmnist/{name}" for name in files), own]
        options = {**SHORT, "epochs": 2, "dataset_dir": drawn_food, "output_dir": tmp_path}
        command = [sys.executable, "-m", "monai.bundle", "run", "--config_file", str(names)]
        command += [text for name, value in options.items() for text in (f"--{name}", str(value))]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True)
    for name in ("experts.pt", "model.pt"):
        there, here = (
            torch.load(folder / name, weights_only=True) for folder in (tmp_path, trained)
        )
        assert there.keys() == here.keys()
        assert all(there[key].equal(here[key]) for key in here)
