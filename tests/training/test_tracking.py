import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

import bundle
from bundle.training.stages import train
from tests.conftest import TINY_EXPERT

ROOT = Path(bundle.__file__).resolve().parents[1]
TINY = {
    "expert": TINY_EXPERT,
    "roi_size": [64, 64, 64],
    "batch_size": 1,
    "num_workers": 0,
    "epochs": 2,
    "val_interval": 1,
    "device_name": "cpu",
    "amp": False,
}


def tracked(out: Path) -> list[set[str]]:
    """Return the names of the values that MLflow has of each run."""
    with sqlite3.connect(out / "mlruns.db") as connection:
        rows = connection.execute("select distinct run_uuid, key from metrics").fetchall()
    return [{key for run, key in rows if run == each} for each in sorted({run for run, _ in rows})]


@pytest.mark.slow
def test_tensorboard_shows_the_loss_of_each_step_and_the_dice_of_each_validation(
    phantom_folder, tmp_path
):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    train(phantom_folder, tmp_path, TINY, tracking="tensorboard")
    for stage in ("experts", "mixture"):
        events = accumulator.EventAccumulator(str(tmp_path / "tensorboard" / stage)).Reload()
        assert [event.step for event in events.Scalars("loss")] == [1, 2]
        assert [event.step for event in events.Scalars("val_mean_dice")] == [1, 2]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of mlflow and what it brings
def test_mlflow_keeps_the_loss_and_the_dice_of_both_stages(phantom_folder, tmp_path: Path):
    pytest.importorskip("mlflow")
    train(phantom_folder, tmp_path, TINY, tracking="mlflow")
    assert tracked(tmp_path) == [{"train_loss", "val_mean_dice", "lr_group_0"}] * 2


@pytest.mark.slow
def test_the_bundle_command_tracks_with_mlflow(phantom_folder, tmp_path):
    pytest.importorskip("mlflow")
    values = {**TINY, "dataset_dir": phantom_folder, "output_dir": tmp_path, "tracking": "mlflow"}
    values["expert"] = {**TINY_EXPERT, "_mode_": "callable"}
    options = [part for key, value in values.items() for part in (f"--{key}", str(value))]
    config = [
        "--config_file",
        str([f"{ROOT}/configs/{name}" for name in ("train.yaml", "train_experts.yaml")]),
        "--bundle_root",
        str(ROOT),
    ]
    command = [sys.executable, "-m", "monai.bundle", "run", *config, *options]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert tracked(tmp_path) == [{"train_loss", "val_mean_dice", "lr_group_0"}]
