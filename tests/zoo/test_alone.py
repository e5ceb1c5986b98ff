"""The packed bundle runs where the project is not installed, from its own folder and from any
other.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch

from bundle.config_files import bundle_root
from bundle.weights.state_file import read_weights
from tests.zoo.conftest import SCRIPTS, Machine, Window

WORKFLOWS = {
    "inference.json": "inference",
    "inference.yaml": "inference",
    "evaluate.json": "evaluation",
    "train_experts.json": "train",
    "train.yaml": "train",
    "train.json": "train",
}
ROI_SIZE = "[64,64,64]"
MAPS = {"entropy", "seg", *(f"weight-{modality}" for modality in ("t1n", "t1c", "t2w", "t2f"))}


def maps(out: Path) -> dict[str, np.ndarray]:
    return {
        path.name: np.asanyarray(nib.load(path).dataobj) for path in sorted(out.glob("*/*.nii.gz"))
    }


@pytest.fixture(scope="module")
def expected(cases, tmp_path_factory) -> dict[str, np.ndarray]:
    """The maps that the command of the repository makes of the cases."""
    out = tmp_path_factory.mktemp("expected")
    subprocess.run(
        [
            sys.executable,
            "-m",
            "bundle.cli",
            "segment",
            cases,
            "-o",
            out,
            "--set",
            f"roi_size={ROI_SIZE}",
        ],
        cwd=bundle_root(),
        env={**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
        check=True,
        capture_output=True,
    )
    found = maps(out)
    assert {name.removesuffix(".nii.gz").split("_")[1] for name in found} == MAPS
    assert sum(int((found[name] > 0).sum()) for name in found if "_seg" in name) > 100
    return found


def test_the_project_cannot_be_imported_elsewhere(machine: Machine):
    result = machine.attempt("-c", "import bundle")
    assert result.returncode == 1
    assert "No module named 'bundle'" in result.stderr


def test_in_the_folder_of_the_bundle_its_own_code_is_imported(machine: Machine):
    found = machine.python("-c", "import bundle; print(bundle.__file__)", cwd=machine.bundle)
    assert Path(found.strip()) == machine.bundle / "bundle" / "__init__.py"


def check_equal(found: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_array_equal(found[name], values, err_msg=name)


@pytest.mark.slow
def test_the_json_makes_the_maps_of_the_command_from_the_folder_of_the_bundle(
    machine, cases, expected, tmp_path
):
    machine.monai(
        "run",
        cwd=machine.bundle,
        config_file="configs/inference.json",
        dataset_dir=cases,
        output_dir=tmp_path,
        roi_size=ROI_SIZE,
    )
    check_equal(maps(tmp_path), expected)


@pytest.mark.slow
def test_the_yaml_makes_the_maps_of_the_command_from_any_folder(machine, cases, expected, tmp_path):
    machine.monai(
        "run",
        config_file=machine.bundle / "configs" / "inference.yaml",
        bundle_root=machine.bundle,
        dataset_dir=cases,
        output_dir=tmp_path,
        roi_size=ROI_SIZE,
    )
    check_equal(maps(tmp_path), expected)


@pytest.mark.slow
def test_every_workflow_can_be_created_from_any_folder_and_defines_the_network_of_the_weights(
    machine,
):
    arguments = [f"{config}={workflow_type}" for config, workflow_type in WORKFLOWS.items()]
    printed = machine.python(SCRIPTS / "create_workflows.py", machine.bundle, *arguments)
    found = json.loads(printed.splitlines()[-1])
    assert found.keys() == WORKFLOWS.keys()
    weights = list(read_weights(machine.bundle / "models" / "model.pt"))
    for config, network in found.items():
        assert Path(network["file"]).is_relative_to(machine.bundle), config
        assert network["weights"] == weights, config


@pytest.mark.slow
def test_load_in_the_folder_of_the_bundle_gives_the_network_with_its_weights(
    machine, window: Window, tmp_path
):
    arguments = (machine.models, window.file, len(window.logits), tmp_path / "logits.pt")
    machine.python(SCRIPTS / "load_network.py", *arguments, cwd=machine.bundle)
    for found, logits in zip(torch.load(tmp_path / "logits.pt"), window.logits, strict=True):
        torch.testing.assert_close(found, logits, atol=1e-4, rtol=1e-4)


@pytest.mark.slow
def test_load_from_any_folder_finds_the_code_on_the_python_path(machine, window: Window, tmp_path):
    arguments = (machine.models, window.file, 1, tmp_path / "logits.pt")
    machine.python(SCRIPTS / "load_network.py", *arguments, path=machine.bundle)
    (found,) = torch.load(tmp_path / "logits.pt")
    torch.testing.assert_close(found, window.logits[0], atol=1e-4, rtol=1e-4)
