"""Every workflow of the packed bundle passes what the unit tests of the model zoo ask, on drawn
cases.

Each is made, initialized, asked for its properties, run and finalized in a process of its own, see
``scripts/check_workflow.py``. Experts and mixture are trained one after the other; what comes out
is judged and used.
"""

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import nibabel as nib
import pytest

from bundle.phantoms.phantom_cases import write_phantoms
from tests.conftest import TINY_EXPERT
from tests.zoo.conftest import SCRIPTS, Machine

SHAPE = (48, 56, 40)
SMALL = {
    "expert": {**TINY_EXPERT, "_mode_": "callable"},
    "roi_size": [64, 64, 64],
    "device_name": "cpu",
}
SHORT = {"epochs": 1, "val_interval": 1, "batch_size": 1, "num_workers": 0, "cache_rate": 0.0}

pytestmark = pytest.mark.slow


def check(machine: Machine, config: str, workflow_type: str, **overrides: Any) -> None:
    configs = machine.bundle / "configs"
    options = {
        "config_file": str(configs / config),
        "meta_file": str(configs / "metadata.json"),
        "logging_file": str(configs / "logging.conf"),
        "workflow_type": workflow_type,
        "bundle_root": str(machine.bundle),
        **SMALL,
        **{
            key: str(value) if isinstance(value, Path) else value
            for key, value in overrides.items()
        },
    }
    machine.python(SCRIPTS / "check_workflow.py", json.dumps(options))


@pytest.fixture(scope="module")
def cases(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("cases")
    write_phantoms(folder, n_cases=3, seed=21, shape=SHAPE)
    return folder


@pytest.fixture(scope="module")
def experts(machine, cases, tmp_path_factory) -> Path:
    """The output folder of the training of the experts."""
    out = tmp_path_factory.mktemp("run")
    check(machine, "train_experts.json", "train", dataset_dir=cases, output_dir=out, **SHORT)
    return out


@pytest.fixture(scope="module")
def mixture(machine, cases, experts) -> Path:
    """The same folder after the training of the mixture."""
    check(machine, "train.yaml", "train", dataset_dir=cases, output_dir=experts, **SHORT)
    return experts


def test_the_training_of_the_experts_passes_and_leaves_their_weights(experts):
    assert (experts / "experts.pt").is_file()


def test_the_training_of_the_mixture_goes_on_from_the_experts_and_leaves_weights_with_a_checksum(
    mixture,
):
    assert (mixture / "mixture.pt").is_file()
    assert (mixture / "model.pt.sha256").read_text().split()[1] == "model.pt"


def test_the_train_task_goes_on_from_weights_and_replaces_them(machine, cases, mixture, tmp_path):
    checkpoint = tmp_path / "models" / "model.pt"
    checkpoint.parent.mkdir()
    for name in ("model.pt", "model.pt.sha256"):
        shutil.copy(mixture / name, checkpoint.parent)
    before = checkpoint.read_bytes()
    options = {"dataset_dir": cases, "output_dir": tmp_path / "run", "checkpoint": checkpoint}
    check(machine, "train.json", "train", **options, **SHORT)
    assert checkpoint.read_bytes() == (tmp_path / "run" / "model.pt").read_bytes() != before
    assert (tmp_path / "run" / "before-model.pt").read_bytes() == before


def test_the_evaluation_of_the_mixture_passes_and_judges_every_case(
    machine, cases, mixture, tmp_path
):
    check(
        machine,
        "evaluate.json",
        "evaluation",
        dataset_dir=cases,
        output_dir=tmp_path,
        checkpoint=mixture / "model.pt",
    )
    with (tmp_path / "cases.csv").open(newline="", encoding="utf-8") as table:
        assert [row["status"] for row in csv.DictReader(table)] == ["ok"] * 3


def test_inference_with_the_mixture_passes_and_segments_every_case(
    machine, cases, mixture, tmp_path
):
    check(
        machine,
        "inference.json",
        "inference",
        dataset_dir=cases,
        output_dir=tmp_path,
        checkpoint=mixture / "model.pt",
    )
    assert [nib.load(path).shape for path in tmp_path.glob("*/*_seg.nii.gz")] == [SHAPE] * 3
