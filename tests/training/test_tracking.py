import sqlite3
from pathlib import Path

import pytest

from bundle.training.stages import train
from tests.conftest import TINY_EXPERT

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


@pytest.mark.slow
def test_tensorboard_shows_the_loss_of_each_step_and_the_dice_of_each_validation(phantom_folder, tmp_path):
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
    with sqlite3.connect(tmp_path / "mlruns.db") as connection:
        rows = connection.execute("select run_uuid, key, count(*) from metrics group by run_uuid, key").fetchall()
    assert len({run for run, _, _ in rows}) == 2
    assert sorted(key for _, key, _ in rows) == sorted(["train_loss", "val_mean_dice"] * 2)
