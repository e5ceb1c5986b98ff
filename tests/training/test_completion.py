import hashlib

import pytest
import torch
from ignite.engine import Engine

from bundle.errors import OutputError, SetupError
from bundle.training.completion import replace_weights
from bundle.weights.checkpoints import export_weights, load_verified

FILES = ("model.pt", "model.pt.sha256")


@pytest.fixture
def trainer():
    engine = Engine(lambda *_: None)
    engine.run([None], max_epochs=1)
    return engine


def weights(folder, value):
    """A network all of whose weights are one value, as inference reads it."""
    folder.mkdir()
    network = torch.nn.Linear(2, 2)
    torch.nn.init.constant_(network.weight, value)
    torch.save(network.state_dict(), folder / "whole.pt")
    export_weights(network, folder / "whole.pt", folder / "model.pt")
    return folder / "model.pt"


def loaded(path):
    return load_verified(torch.nn.Linear(2, 2), path).weight[0, 0].item()


def test_inference_gets_the_trained_weights_and_those_of_before_stay_beside_them(trainer, tmp_path):
    trained, used = weights(tmp_path / "run", 2.0), weights(tmp_path / "models", 1.0)
    replace_weights(trainer, trained, used)
    assert loaded(used) == loaded(trained) == 2.0
    before, checksum = (trained.with_name(f"before-{name}") for name in FILES)
    assert torch.load(before, weights_only=True)["weight"][0, 0] == 1.0
    assert checksum.read_text().split() == [
        hashlib.sha256(before.read_bytes()).hexdigest(),
        "model.pt",
    ]


def test_a_training_that_stopped_early_replaces_nothing(trainer, tmp_path):
    trained, used = weights(tmp_path / "run", 2.0), weights(tmp_path / "models", 1.0)
    trainer.state.max_epochs = 2
    replace_weights(trainer, trained, used)
    assert loaded(used) == 1.0


def test_weights_that_are_not_there_leave_those_in_use(trainer, tmp_path):
    used = weights(tmp_path / "models", 1.0)
    (tmp_path / "run").mkdir()
    with pytest.raises(SetupError):
        replace_weights(trainer, tmp_path / "run" / "model.pt", used)
    assert loaded(used) == 1.0


def test_damaged_weights_leave_those_in_use(trainer, tmp_path):
    trained, used = weights(tmp_path / "run", 2.0), weights(tmp_path / "models", 1.0)
    trained.write_bytes(trained.read_bytes()[:-1])
    with pytest.raises(SetupError, match="SHA-256"):
        replace_weights(trainer, trained, used)
    assert loaded(used) == 1.0
    assert not trained.with_name("before-model.pt").exists()


def test_weights_that_cannot_be_kept_are_not_replaced(trainer, tmp_path):
    trained, used = weights(tmp_path / "run", 2.0), weights(tmp_path / "models", 1.0)
    trained.with_name("before-model.pt").mkdir()
    with pytest.raises(OutputError):
        replace_weights(trainer, trained, used)
    assert loaded(used) == 1.0
