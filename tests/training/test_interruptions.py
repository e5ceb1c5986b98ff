"""What a training leaves when it is stopped, and that it goes on as if it had not been."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

from bundle.cli.app import app
from bundle.errors import OutputError
from bundle.phantoms.phantom_cases import write_phantoms
from bundle.training import stages
from bundle.weights.state_file import save_state
from tests.conftest import TINY_EXPERT

TINY = {
    "expert": TINY_EXPERT,
    "roi_size": [64, 64, 64],
    "batch_size": 1,
    "num_workers": 0,
    "epochs": 3,
    "val_interval": 1,
    "device_name": "cpu",
    "amp": False,
    "mixing_share": 0.5,
}
WEIGHTS = ("experts.pt", "mixture.pt")


@pytest.fixture(scope="module")
def cases(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("cases")
    write_phantoms(folder, n_cases=3, seed=21, shape=(40, 48, 36))
    return folder


@pytest.fixture(scope="module")
def uninterrupted(cases, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("whole")
    assert stages.train(cases, out, TINY) == out / "model.pt"
    return out


def assert_equal_weights(one: Path, other: Path) -> None:
    """Compare every bit of both stages' weights."""
    for name in WEIGHTS:
        first, second = (torch.load(folder / name, weights_only=True) for folder in (one, other))
        assert first.keys() == second.keys()
        assert all(torch.equal(first[key], second[key]) for key in first)


class Death(BaseException):
    """Ends a training at a step of choice, in the middle of everything."""


def die_at(monkeypatch, step: int) -> None:
    """Fail in the given training step of the run, counted over both stages."""
    from bundle.training.gradients import GradientClip

    clip, count = GradientClip._clip, iter(range(10**6))

    def dying(self: GradientClip, engine: Any) -> None:
        if next(count) == step:
            raise Death
        clip(self, engine)

    monkeypatch.setattr(GradientClip, "_clip", dying)


@pytest.mark.slow
@pytest.mark.parametrize("step", [5, 9])
def test_a_training_that_dies_at_any_step_ends_with_the_same_bits(
    cases, uninterrupted, tmp_path, monkeypatch, step
):
    with monkeypatch.context() as patch:
        die_at(patch, step)
        with pytest.raises(Death):
            stages.train(cases, tmp_path, TINY)
    assert stages.train(cases, tmp_path, TINY) == tmp_path / "model.pt"
    assert_equal_weights(tmp_path, uninterrupted)


@pytest.mark.slow
def test_a_training_whose_first_state_does_not_fit_goes_on_when_there_is_room(
    cases, uninterrupted, tmp_path, monkeypatch
):
    """The best weights of the first epoch are there already, the state of that epoch is not."""

    def full(state: dict[str, Any], path: Path) -> None:
        if state["epoch"] == 1:
            raise OutputError(
                "E_WRITE", f"{path} must be writable; got an error: the disk is full."
            )
        save_state(state, path)

    with monkeypatch.context() as patch:
        patch.setattr("bundle.training.resumption.save_state", full)
        with pytest.raises(OutputError, match="the disk is full"):
            stages.train(cases, tmp_path, TINY)
    assert (tmp_path / "experts.pt").exists()
    assert stages.train(cases, tmp_path, TINY) == tmp_path / "model.pt"
    assert_equal_weights(tmp_path, uninterrupted)


@pytest.mark.slow
def test_a_training_out_of_time_says_so_and_goes_on_to_the_same_bits(
    cases, uninterrupted, tmp_path
):
    options = [
        part for key, value in TINY.items() for part in ("--set", f"{key}={json.dumps(value)}")
    ]
    command = ["train", "--data", str(cases), "--out", str(tmp_path), "--device", "cpu", *options]
    first = CliRunner().invoke(app, [*command, "--minutes", "0"])
    assert first.exit_code == 75, first.output
    assert not (tmp_path / "model.pt").exists()
    last = CliRunner().invoke(app, command)
    assert last.exit_code == 0, last.output
    assert_equal_weights(tmp_path, uninterrupted)


def start(cases: Path, out: Path) -> subprocess.Popen:
    options = [
        part for key, value in TINY.items() for part in ("--set", f"{key}={json.dumps(value)}")
    ]
    command = [
        sys.executable,
        "-c",
        "from bundle.cli.app import app; app()",
        "train",
        "--data",
        cases,
        "--out",
        out,
        *options,
    ]
    environment = {**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())}
    return subprocess.Popen(
        [str(part) for part in command], env=environment, stderr=subprocess.DEVNULL
    )


@pytest.mark.slow
@pytest.mark.parametrize("existing", ["experts.state", "experts.csv", "mixture.csv"])
def test_after_kill_9_the_same_command_ends_with_the_same_bits(
    cases, uninterrupted, tmp_path, existing
):
    process = start(cases, tmp_path)
    deadline = time.monotonic() + 120
    while (
        not (tmp_path / existing).exists()
        and process.poll() is None
        and time.monotonic() < deadline
    ):
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not (tmp_path / "model.pt").exists()
    assert start(cases, tmp_path).wait() == 0
    assert_equal_weights(tmp_path, uninterrupted)
