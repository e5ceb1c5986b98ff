"""The worked example of docs/tasks.md: another task from drawn cases to a packed bundle, by the command line alone."""

import csv
import json
import shlex
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from bundle.config_files import bundle_root
from bundle.tasks.task_file import load_task

pytestmark = pytest.mark.slow

PAGE = bundle_root() / "docs" / "tasks.md"
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1"}
FASTER = {
    "--cases 12": "--cases 3 --shape 56 64 56",
    "--epochs 2": "--epochs 1 --set cache_rate=1.0 --set num_workers=0",
}
"""Of the page's commands, for smaller and fewer cases: one step of each stage."""


def commands() -> list[list[str]]:
    """Read the commands of the first block of the page."""
    text = PAGE.read_text(encoding="utf-8").split("```")[1].replace("\\\n", " ")
    found = []
    for line in text.splitlines():
        if line.startswith("simmlm "):
            for long, short in FASTER.items():
                line = line.replace(long, short)
            found.append(shlex.split(line, comments=True)[1:])
    return found


@pytest.fixture(scope="module")
def ran(tmp_path_factory) -> Path:
    """Run the page's commands one after the other in one folder."""
    folder = tmp_path_factory.mktemp("task")
    for command in commands():
        done = subprocess.run(
            [sys.executable, "-m", "bundle.cli", *command],
            cwd=folder,
            env={**ENVIRONMENT, "PYTHONPATH": str(bundle_root())},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return folder


def test_the_page_goes_from_phantoms_to_a_pack():
    assert [command[0] for command in commands()] == [
        "phantom",
        "data",
        "train",
        "segment",
        "evaluate",
        "pack",
    ]


def test_a_case_without_t1_is_segmented_on_its_own_grid(ran):
    (result,) = (ran / "out").glob("*/*.json")
    facts = json.loads(result.read_text())
    label = nib.load(result.with_name(f"{result.stem}_seg.nii.gz"))
    assert facts["modalities"] == ["flair", "t2"]
    assert facts["labels"] == {
        "convention": "plain",
        "values": {"0": "background", "1": load_task("ms_lesions").label_names[1]},
    }
    assert set(np.unique(label.dataobj)) <= {0, 1}
    assert label.shape == nib.load(next((ran / "cases").glob("*/*_FLAIR.nii.gz"))).shape
    maps = {path.name.removeprefix(f"{result.stem}_") for path in result.parent.glob("*.nii.gz")}
    assert maps == {
        "seg.nii.gz",
        "entropy.nii.gz",
        "weight-flair.nii.gz",
        "weight-t2.nii.gz",
    }


def test_seven_modality_sets_of_every_case_are_judged(ran):
    with (ran / "judged" / "scores.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len({row["set"] for row in rows}) == 7
    assert {row["region"] for row in rows} == {"lesion"}
    assert len({row["case"] for row in rows}) == 3
    assert json.loads((ran / "judged" / "summary.json").read_text())["task"]["name"] == "ms_lesions"


def test_the_packed_bundle_segments_a_case_of_the_task_without_saying_so(ran):
    with zipfile.ZipFile(ran / "ms.zip") as archive:
        archive.extractall(ran / "packed")
    alone = ran / "alone"
    alone.mkdir()
    shutil.copytree(ran / "cases" / "phantom-00002", alone / "phantom-00002")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "monai.bundle", "run"),
            *("--config_file", "configs/inference.json"),
            *("--dataset_dir", str(alone), "--output_dir", str(ran / "from_pack")),
        ],
        cwd=ran / "packed" / "simmlm",
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    facts = json.loads((ran / "from_pack/phantom-00002/phantom-00002.json").read_text())
    assert facts["modalities"] == ["flair", "t1", "t2"]
    metadata = json.loads((ran / "packed/simmlm/configs/metadata.json").read_text())
    image = metadata["network_data_format"]["inputs"]["image"]
    assert image["channel_def"] == {"0": "flair", "1": "t1", "2": "t2"}
