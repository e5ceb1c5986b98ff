"""Files that versions 0.4.0 and 0.5.0 wrote at the end of the second epoch of a training: an expert
of one linear layer, with AdamW at 0.1 and a tenth of it after each epoch.
"""

import io
import shutil
from pathlib import Path

import pytest
import torch
from ignite.engine import Engine
from torch import nn

from bundle.training.resumption import TrainingState
from bundle.weights.checkpoints import initial_weights
from bundle.weights.state_file import load_state, read_weights

OLDER = Path(__file__).with_name("older")
WEIGHT = [[-0.4046732187271118, -0.02159252017736435]]
BIAS = [-0.9790567755699158]


def build() -> nn.ModuleDict:
    return nn.ModuleDict({"experts": nn.ModuleDict({"t1c": nn.Linear(2, 1)})})


@pytest.fixture(params=["0.4.0", "0.5.0"])
def run(request, tmp_path) -> Path:
    return Path(shutil.copytree(OLDER / request.param, tmp_path / "run"))


def assert_as_it_was(network: nn.Module) -> None:
    state = network.state_dict()
    assert state["experts.t1c.weight"].tolist() == WEIGHT
    assert state["experts.t1c.bias"].tolist() == BIAS


def test_a_training_of_an_older_version_goes_on_after_its_last_epoch(run):
    network, steps = build(), []
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.1)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, 1)
    engine = Engine(lambda engine, _: steps.append(engine.state.iteration))
    parts = {"network": network, "optimizer": optimizer, "schedule": schedule}
    settings = {"seed": 3, "network": str(network)}
    TrainingState(run / "experts.state", parts, settings).attach(engine)
    engine.run([None, None], max_epochs=3)
    assert steps == [5, 6]
    assert_as_it_was(network)
    assert {float(state["step"]) for state in optimizer.state.values()} == {4.0}


def test_weights_of_an_older_version_are_read_and_start_a_training(run):
    assert set(read_weights(run / "experts.pt")) == {"experts.t1c.weight", "experts.t1c.bias"}
    assert_as_it_was(initial_weights(build(), run / "experts.pt"))


def test_files_in_the_format_of_torch_before_1_6_are_read(tmp_path):
    for name, content in (("a.pt", build().state_dict()), ("a.state", {"epoch": 3, "parts": {}})):
        stream = io.BytesIO()
        torch.save(content, stream, _use_new_zipfile_serialization=False)
        (tmp_path / name).write_bytes(stream.getvalue())
    assert set(read_weights(tmp_path / "a.pt")) == set(build().state_dict())
    assert load_state(tmp_path / "a.state") == {"epoch": 3, "parts": {}}
