import json
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from bundle.classification.kept_weights import (
    AboutWeights,
    about_file,
    check_about,
    keep_experts,
    keep_model,
    read_about,
)
from bundle.errors import SetupError
from bundle.tasks.class_task import load_class_task
from bundle.weights.checkpoints import load_verified
from bundle.weights.state_file import read_weights

ABOUT = AboutWeights("avmnist", ("image", "audio"), ("0", "1"), {"audio_kind": "smil"})
TASK = load_class_task("avmnist")
FINISHED = SimpleNamespace(state=SimpleNamespace(epoch=3, max_epochs=3))
STOPPED = SimpleNamespace(state=SimpleNamespace(epoch=2, max_epochs=3))


def network() -> nn.Module:
    return nn.ModuleDict(
        {
            "experts": nn.ModuleDict({"image": nn.Linear(2, 2), "audio": nn.Linear(2, 2)}),
            "gate": nn.Linear(1, 1),
        }
    )


def test_kept_weights_are_loaded_bit_by_bit_and_say_what_they_are_for(tmp_path):
    trained = network()
    keep_model(FINISHED, trained, ABOUT, tmp_path / "model.pt")
    loaded = load_verified(network(), tmp_path / "model.pt")
    assert all(map(torch.equal, loaded.state_dict().values(), trained.state_dict().values()))
    assert read_about(tmp_path / "model.pt") == ABOUT


def test_experts_are_kept_without_the_gate(tmp_path):
    keep_experts(FINISHED, network(), ["audio"], tmp_path / "experts.pt")
    assert set(read_weights(tmp_path / "experts.pt")) == {
        "experts.audio.weight",
        "experts.audio.bias",
    }


def test_a_training_that_stopped_before_its_end_leaves_no_weights(tmp_path):
    keep_model(STOPPED, network(), ABOUT, tmp_path / "model.pt")
    keep_experts(STOPPED, network(), ["audio"], tmp_path / "experts.pt")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [None, "{}", "[1]", '{"task": 1}', "no json"])
def test_weights_without_what_they_are_for_are_refused(tmp_path, content):
    if content is not None:
        about_file(tmp_path / "model.pt").write_text(content)
    with pytest.raises(SetupError, match=r"model\.json must stand beside model\.pt") as caught:
        read_about(tmp_path / "model.pt")
    assert caught.value.code == "E_WEIGHTS"


@pytest.mark.parametrize(
    ("key", "value"), [("task", "other"), ("modalities", ["audio", "image"]), ("settings", {})]
)
def test_weights_of_something_else_are_refused_by_name(tmp_path, key, value):
    facts = {"task": "avmnist", "modalities": ["image", "audio"], "classes": ["0", "1"]}
    facts["settings"] = {"audio_kind": "smil"}
    about_file(tmp_path / "model.pt").write_text(json.dumps({**facts, key: value}))
    with pytest.raises(SetupError, match="audio_kind" if key == "settings" else key):
        check_about(read_about(tmp_path / "model.pt"), TASK, {"audio_kind": "smil"})


def test_weights_that_fit_are_passed_on():
    assert check_about(ABOUT, TASK, {"audio_kind": "smil"}) is ABOUT
