import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

import bundle
from bundle.cases.case_loader import LoadCased
from bundle.phantoms.phantom_cases import write_phantoms
from tests.conftest import TINY_EXPERT

ROOT = Path(bundle.__file__).resolve().parents[1]
SETTINGS = {
    "expert": TINY_EXPERT,
    "roi_size": [64, 64, 64],
    "batch_size": 2,
    "num_workers": 0,
    "device_name": "cpu",
}
PHANTOMS = (
    "--large",
    "3",
    "--small",
    "1",
    "--shape",
    "48",
    "56",
    "40",
    "--small-shape",
    "40",
    "48",
    "36",
)


def script(folder: Path, *arguments: object) -> subprocess.CompletedProcess:
    command = [sys.executable, str(ROOT / "models" / "train_weights.py"), *map(str, arguments)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=400
    )


def run(folder: Path, *arguments: object) -> subprocess.CompletedProcess:
    settings = [
        part for key, value in SETTINGS.items() for part in ("--set", f"{key}={json.dumps(value)}")
    ]
    return script(folder, "run", "work", "--out", "results", *PHANTOMS, *settings, *arguments)


@pytest.mark.slow
def test_a_packed_case_is_the_brain_of_the_case_at_its_place(tmp_path):
    (case,) = write_phantoms(tmp_path / "cases", n_cases=1, seed=3, shape=(48, 56, 40))
    assert script(tmp_path, "pack", "real.tar", case).returncode == 0
    subprocess.run(["tar", "xf", "real.tar"], cwd=tmp_path, check=True)
    whole, packed = (
        LoadCased(with_label=True)({"image": folder}) for folder in (case, tmp_path / case.name)
    )
    assert packed["image"].shape[1:] < whole["image"].shape[1:]
    for modality in ("t1n", "t1c", "t2w", "t2f"):
        large, small = (
            nib.load(next(folder.glob(f"*-{modality}.nii.gz")))
            for folder in (case, tmp_path / case.name)
        )
        start = np.rint(np.linalg.inv(large.affine) @ small.affine[:, 3]).astype(int)[:3]
        box = tuple(slice(a, a + n) for a, n in zip(start, small.shape, strict=True))
        values = np.asarray(large.dataobj)
        assert (
            np.count_nonzero(values[box])
            == np.count_nonzero(values)
            == np.count_nonzero(small.dataobj)
        )
        assert np.corrcoef(values[box].ravel(), np.asarray(small.dataobj).ravel())[0, 1] > 0.999
    assert packed["label"].sum() == whole["label"].sum()


@pytest.mark.slow
def test_the_script_stops_in_time_and_goes_on_to_weights_that_fit_its_minutes(tmp_path):
    (case,) = write_phantoms(tmp_path / "cases", n_cases=1, seed=5, shape=(40, 48, 36))
    assert script(tmp_path, "pack", "real.tar", case).returncode == 0
    options = ("--real", "real.tar", "--total-minutes", "0.3")
    first = run(tmp_path, *options, "--minutes", "0.05")
    assert first.returncode == 75, first.stderr
    last = run(tmp_path, *options, "--minutes", "5")
    assert last.returncode == 0, last.stderr
    assert len(list((tmp_path / "work" / "data").iterdir())) == 5
    results = tmp_path / "results"
    names = {"model.pt", "model.pt.sha256", "train.log"} | {
        f"{s}.{k}" for s in ("experts", "mixture") for k in ("csv", "png")
    }
    assert {path.name for path in results.iterdir()} == names
    plan = json.loads((tmp_path / "work" / "plan.json").read_text())
    for stage in ("experts", "mixture"):
        with (results / f"{stage}.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        assert len(rows) == plan[f"{stage}.epochs"]
        assert rows[-1]["loss"]
