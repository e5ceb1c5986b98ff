import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import ignite.distributed as idist
import pytest
import torch

import bundle
from bundle.errors import UsageError
from bundle.files.folder_owner import sole_owner
from bundle.phantoms.phantom_cases import write_phantoms
from bundle.processes import ShareSampler
from bundle.training.stages import train
from tests.conftest import TINY_EXPERT

ROOT = Path(bundle.__file__).resolve().parents[1]
TINY = {
    "expert": TINY_EXPERT,
    "roi_size": [64, 64, 64],
    "num_workers": 0,
    "epochs": 2,
    "val_interval": 1,
    "device_name": "cpu",
    "validation_share": 0.34,
    "coverage": {"t1c": 0.5},
    "amp": False,
}


@pytest.fixture(scope="module")
def cases(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("cases")
    write_phantoms(folder, n_cases=6, seed=31, shape=(40, 48, 36))
    return folder


def launch(folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc_per_node=2",
        *arguments,
    ]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=400
    )


def losses(out: Path, stage: str) -> list[float]:
    with (out / f"{stage}.csv").open(newline="") as file:
        return [float(row["loss"]) for row in csv.DictReader(file)]


@pytest.mark.slow
def test_two_processes_follow_the_loss_curve_of_one_with_the_same_batches(cases, tmp_path):
    """Also where modalities are missing: then the processes have different numbers of cases per
    expert.
    """
    train(cases, tmp_path / "one", {**TINY, "batch_size": 2})
    settings = [
        part
        for key, value in {**TINY, "batch_size": 1}.items()
        for part in ("--set", f"{key}={json.dumps(value)}")
    ]
    done = launch(
        tmp_path,
        "-m",
        "bundle.cli",
        "train",
        "--data",
        str(cases),
        "--out",
        str(tmp_path / "two"),
        *settings,
    )
    assert done.returncode == 0, done.stderr
    for stage in ("experts", "mixture"):
        assert losses(tmp_path / "two", stage) == pytest.approx(
            losses(tmp_path / "one", stage), rel=1e-4
        )
    one, two = (
        torch.load(tmp_path / out / "mixture.pt", weights_only=True) for out in ("one", "two")
    )
    assert all(torch.allclose(one[name], two[name], atol=2e-3) for name in one)


@pytest.mark.slow
def test_the_multi_gpu_config_runs_as_a_monai_bundle(cases, tmp_path):
    values = {**TINY, "batch_size": 1, "epochs": 1, "bundle_root": ROOT}
    values |= {"dataset_dir": cases, "output_dir": tmp_path}
    values["expert"] = {**values["expert"], "_mode_": "callable"}
    options = [part for key, value in values.items() for part in (f"--{key}", str(value))]
    for names in (["train.yaml", "train_experts.yaml"], ["train.yaml"]):
        files = str([f"{ROOT}/configs/{name}" for name in (*names, "multi_gpu_train.yaml")])
        done = launch(tmp_path, "-m", "monai.bundle", "run", "--config_file", files, *options)
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "model.pt").is_file()


def test_a_single_process_validates_every_case_once():
    assert list(ShareSampler(range(5))) == [0, 1, 2, 3, 4]


def test_processes_share_the_cases_without_repeating_one(monkeypatch):
    monkeypatch.setattr(idist, "get_world_size", lambda: 2)
    shares = []
    for rank in (0, 1):
        monkeypatch.setattr(idist, "get_rank", lambda rank=rank: rank)
        shares += list(ShareSampler(range(5)))
    assert sorted(shares) == [0, 1, 2, 3, 4]


def test_more_processes_than_cases_to_validate_are_refused(monkeypatch):
    monkeypatch.setattr(idist, "get_world_size", lambda: 3)
    with pytest.raises(UsageError, match="case to validate"):
        ShareSampler(range(2))


@pytest.mark.slow
def test_processes_that_find_another_training_in_their_folder_all_end(cases, tmp_path):
    (tmp_path / "out").mkdir()
    settings = [
        part for key, value in TINY.items() for part in ("--set", f"{key}={json.dumps(value)}")
    ]
    with sole_owner(tmp_path / "out"):
        done = launch(
            tmp_path,
            "-m",
            "bundle.cli",
            "train",
            "--data",
            str(cases),
            "--out",
            str(tmp_path / "out"),
            *settings,
        )
    assert done.returncode != 0
    assert "E_BUSY" in done.stderr + done.stdout
    assert not (tmp_path / "out" / "experts.pt").exists()
