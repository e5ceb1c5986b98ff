import json
import logging
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import torch
from ignite.engine import Engine
from typer.testing import CliRunner, Result

import bundle
from bundle.cli.app import app
from bundle.cohorts.cohort_segmentation import segment_cases
from bundle.configuration import load_config
from bundle.datasets.listing import list_cases
from bundle.datasets.splits import divide
from bundle.errors import OutputError, SetupError, UsageError
from bundle.phantoms.phantom_cases import write_phantoms
from bundle.tasks.default import DEFAULT_TASK
from bundle.training.resumption import TrainingState
from bundle.training.stages import train
from tests.conftest import TINY_EXPERT

pytestmark = pytest.mark.slow

MODALITIES = DEFAULT_TASK.modality_names

WEIGHTS = ("experts.pt", "mixture.pt", "model.pt")
LEFT = {*WEIGHTS, "model.pt.sha256"} | {
    f"{stage}.{kind}" for stage in ("experts", "mixture") for kind in ("csv", "png", "state")
}
RECIPE = {**TINY_EXPERT, "_mode_": "callable"}
ROOT = Path(bundle.__file__).resolve().parents[1]
EXPERT = json.dumps(TINY_EXPERT)
TINY = {
    "expert": TINY_EXPERT,
    "roi_size": [64, 64, 64],
    "batch_size": 2,
    "num_workers": 0,
    "epochs": 5,
    "val_interval": 5,
    "device_name": "cpu",
    "amp": False,
}


def options(values: dict[str, Any]) -> list[str]:
    return [
        part for key, value in values.items() for part in ("--set", f"{key}={json.dumps(value)}")
    ]


def run_train(data: Path, out: Path) -> Result:
    settings = {key: value for key, value in TINY.items() if key not in ("epochs", "device_name")}
    command = [
        "train",
        "--data",
        data,
        "--out",
        out,
        "--epochs",
        5,
        "--device",
        "cpu",
        *options(settings),
    ]
    return CliRunner().invoke(app, [str(part) for part in command])


def run_monai(
    configs: Path, names: Sequence[str], folder: Path, **values: Any
) -> subprocess.CompletedProcess:
    files = str([str(configs / name) for name in names])
    command = [sys.executable, "-m", "monai.bundle", "run", "--config_file", files]
    overrides = [part for key, value in values.items() for part in (f"--{key}", str(value))]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [*command, *overrides],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.fixture(scope="module")
def trained(phantom_folder, tmp_path_factory) -> Path:
    """The output folder of one epoch of each stage, run through the command line."""
    out = tmp_path_factory.mktemp("trained") / "new"
    result = run_train(phantom_folder, out)
    assert result.exit_code == 0, result.output
    assert result.output.strip().endswith(f"weights: {out / 'model.pt'}")
    return out


def test_training_leaves_weights_tables_curves_and_states_of_both_stages_and_a_checksum(trained):
    assert {path.name for path in trained.iterdir()} == LEFT


def test_training_moves_every_expert_and_the_gate(trained):
    first, second = (torch.load(trained / name, weights_only=True) for name in WEIGHTS[:2])
    assert {name for name in second if name.startswith("experts.")} == first.keys()
    moved = {name for name in first if not torch.equal(first[name], second[name])}
    assert {f"experts.{modality}.weight" for modality in MODALITIES} <= moved
    start = (
        load_config("train.yaml", {**TINY, "bundle_root": ROOT})
        .get_parsed_content("network_def")
        .state_dict()
    )
    assert not torch.equal(second["gate.linear.weight"], start["gate.linear.weight"])


def test_the_last_file_is_the_mixture_in_half_precision(trained):
    mixture, model = (torch.load(trained / name, weights_only=True) for name in WEIGHTS[1:])
    assert mixture.keys() == model.keys()
    assert all(torch.equal(mixture[name].half(), model[name]) for name in mixture)


def test_a_case_can_be_segmented_with_the_new_weights(trained, phantom_folder, tmp_path):
    values = {
        "expert": TINY_EXPERT,
        "checkpoint": str(trained / "model.pt"),
        "roi_size": [64, 64, 64],
    }
    command = [
        "segment",
        str(phantom_folder),
        "--out",
        str(tmp_path),
        "--device",
        "cpu",
        *options(values),
    ]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    names = [case["case_id"] for case in list_cases(phantom_folder)]
    assert all((tmp_path / name / f"{name}_seg.nii.gz").is_file() for name in names)


def test_weights_of_other_origin_are_never_overwritten(phantom_folder, tmp_path):
    (tmp_path / "model.pt").write_bytes(b"somebody's")
    result = run_train(phantom_folder, tmp_path)
    assert result.exit_code == 2
    assert "E_OUTPUT" in result.output
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {
        "model.pt": b"somebody's"
    }


def test_a_finished_training_is_left_as_it_is(trained, phantom_folder):
    before = {name: (trained / name).read_bytes() for name in WEIGHTS}
    result = run_train(phantom_folder, trained)
    assert result.exit_code == 0, result.output
    assert {name: (trained / name).read_bytes() for name in WEIGHTS} == before


def test_another_training_does_not_go_on_in_the_same_folder(trained, phantom_folder):
    before = {name: (trained / name).read_bytes() for name in WEIGHTS}
    with pytest.raises(UsageError, match=r"learning_rate 0\.001 \(now 0\.5\)"):
        train(phantom_folder, trained, {**TINY, "learning_rate": 0.5})
    assert {name: (trained / name).read_bytes() for name in WEIGHTS} == before


def test_cases_without_labels_cannot_train(phantom_folder, tmp_path):
    data = shutil.copytree(phantom_folder, tmp_path / "data")
    for label in data.glob("*/*-seg.nii.gz"):
        label.unlink()
    result = run_train(data, tmp_path / "out")
    assert result.exit_code == 2
    assert "E_NO_LABEL" in result.output


def test_one_patient_cannot_train(phantom_folder, tmp_path):
    case = next(phantom_folder.iterdir())
    shutil.copytree(case, tmp_path / "data" / case.name)
    result = run_train(tmp_path / "data", tmp_path / "out")
    assert result.exit_code == 2
    assert "E_SPLIT" in result.output


def test_a_mistyped_setting_is_named(phantom_folder, tmp_path):
    with pytest.raises(SetupError, match="learningrate"):
        train(phantom_folder, tmp_path / "out", {"learningrate": 0.1})


def test_a_file_in_the_place_of_the_folder_is_refused(phantom_folder, tmp_path):
    (tmp_path / "out").write_text("not a folder")
    with pytest.raises(OutputError, match="out"):
        train(phantom_folder, tmp_path / "out", TINY)


@pytest.mark.slow
def test_cases_with_absent_modalities_train(phantom_folder, tmp_path):
    paths = write_phantoms(tmp_path / "data", n_cases=3, seed=5, shape=(40, 48, 36))
    training = [path for path in paths if path.name != draw_validation(paths)]
    for modality in MODALITIES[1:]:
        next(training[0].glob(f"*-{modality}.nii.gz")).unlink()
    next(training[1].glob(f"*-{MODALITIES[0]}.nii.gz")).unlink()
    train(tmp_path / "data", tmp_path / "out", TINY)
    mixture = torch.load(tmp_path / "out" / "mixture.pt", weights_only=True)
    assert all(value.isfinite().all() for value in mixture.values())


def draw_validation(paths: list[Path]) -> str:
    """Name the one case of three that validates."""
    _, (case,) = divide([{"case_id": path.name} for path in paths])
    return str(case["case_id"])


@pytest.fixture
def two_modalities(tmp_path) -> Path:
    """Cases with t1c and t2f alone, as BRATS 2013 is passed on."""
    for path in write_phantoms(tmp_path / "two", n_cases=3, seed=6, shape=(40, 48, 36)):
        for modality in ("t1n", "t2w"):
            next(path.glob(f"*-{modality}.nii.gz")).unlink()
    return tmp_path / "two"


@pytest.mark.slow
@pytest.mark.parametrize(
    "how", [{}, {"experts": ["t2w"]}, {"overlays": ["without_pretraining"]}], ids=str
)
def test_an_expert_that_no_case_can_train_is_refused_before_training(two_modalities, tmp_path, how):
    with pytest.raises(
        UsageError, match=r"got none with .*t2w.* among 2.*--experts t1c,t2f "
    ) as caught:
        train(two_modalities, tmp_path / "out", TINY, **how)
    assert caught.value.code == "E_EXPERTS"
    assert not list((tmp_path / "out").glob("*.pt"))


@pytest.mark.slow
def test_the_ways_out_for_an_expert_without_cases_work(two_modalities, trained, tmp_path):
    values = {**TINY, "epochs": 1}
    assert (
        train(two_modalities, tmp_path / "a", values, experts=["t1c", "t2f"])
        == tmp_path / "a" / "experts.pt"
    )
    held = torch.load(tmp_path / "a" / "experts.pt", weights_only=True)
    assert {name.split(".")[1] for name in held} == {"t1c", "t2f"}
    train(two_modalities, tmp_path / "b", values, start_from=[trained / "mixture.pt"])
    before, after = (
        torch.load(folder / "mixture.pt", weights_only=True) for folder in (trained, tmp_path / "b")
    )
    assert torch.equal(before["experts.t2w.weight"], after["experts.t2w.weight"])


@pytest.mark.slow
def test_one_expert_of_a_mixture_is_trained_further_and_put_back(phantom_folder, trained, tmp_path):
    values, mixture = {**TINY, "epochs": 1}, trained / "mixture.pt"
    train(phantom_folder, tmp_path / "a", values, experts=["t1c"], start_from=[mixture])
    experts = tmp_path / "a" / "experts.pt"
    train(
        phantom_folder,
        tmp_path / "b",
        values,
        overlays=["gate_alone"],
        start_from=[mixture, experts],
    )
    old, new, result = (
        torch.load(file, weights_only=True)
        for file in (mixture, experts, tmp_path / "b" / "mixture.pt")
    )
    assert {name.split(".")[1] for name in new} == {"t1c"}
    assert not torch.equal(new["experts.t1c.weight"], old["experts.t1c.weight"])
    for name in result:
        kept = {**old, **new}[name]
        assert torch.equal(result[name], kept) == name.startswith(("experts", "spacing")), name


def test_a_second_training_in_one_folder_is_refused_while_the_first_is_there(
    phantom_folder, tmp_path
):
    (tmp_path / "out").mkdir()
    code = "import sys, time; from pathlib import Path; from bundle.files.folder_owner import sole_owner\n"
    code += f"with sole_owner(Path({str(tmp_path / 'out')!r})): print(flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        other.stdout.readline()
        result = run_train(phantom_folder, tmp_path / "out")
        assert (result.exit_code, "E_BUSY" in result.output) == (74, True)
        state = TrainingState(tmp_path / "out" / "s", {}, {})
        with pytest.raises(OutputError, match="One process"):
            state._resume(Engine(lambda *_: None))
        assert {path.name for path in (tmp_path / "out").iterdir()} == {".simmlm.lock"}


def test_a_stopped_training_says_in_one_line_that_it_can_go_on(
    phantom_folder, tmp_path, monkeypatch
):
    def stop(*_args: Any, **_options: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("bundle.training.gradients.GradientClip._clip", stop)
    result = run_train(phantom_folder, tmp_path / "out")
    assert result.exit_code == 130
    assert result.output.strip().splitlines()[-1].startswith("Stopped; the same command goes on")
    assert "Traceback" not in result.output
    assert not (tmp_path / "out" / ".simmlm.lock").exists()


def test_a_training_that_does_not_fit_into_memory_says_so(phantom_folder, tmp_path, monkeypatch):
    def fail(*_args: Any, **_options: Any) -> None:
        raise RuntimeError(
            "[enforce fail at alloc_cpu.cpp:124] DefaultCPUAllocator: can't allocate memory"
        )

    monkeypatch.setattr("bundle.training.gradients.GradientClip._clip", fail)
    result = run_train(phantom_folder, tmp_path / "out")
    assert result.exit_code == 1
    (line,) = result.output.strip().splitlines()
    assert line.startswith("E_MEMORY: Training must fit into memory")


@pytest.mark.slow
def test_each_epoch_of_both_stages_tells_its_loss_and_its_validation_dice(
    phantom_folder, tmp_path, caplog
):
    with caplog.at_level(logging.INFO, logger="simmlm"):
        train(phantom_folder, tmp_path / "out", {**TINY, "epochs": 2, "val_interval": 2})
    lines = [record.getMessage() for record in caplog.records if record.name == "simmlm"]
    expected = [
        rf"{stage}: epoch {epoch}, loss \d+\.\d{{3}}{hinge}{dice}, 0:\d\d:\d\d left"
        for stage, hinge in (("experts", ""), ("mixture", r", hinge \d\.\d{3}"))
        for epoch, dice in (("1/2", ""), ("2/2", r", validation Dice 0\.\d{3}"))
    ]
    assert len(lines) == len(expected)
    for line, pattern in zip(lines, expected, strict=True):
        assert re.fullmatch(pattern, line)


@pytest.mark.slow
def test_two_runs_with_one_seed_leave_the_same_weights(trained, phantom_folder, tmp_path):
    train(phantom_folder, tmp_path / "out", TINY)
    again, before = (
        torch.load(folder / "mixture.pt", weights_only=True)
        for folder in (tmp_path / "out", trained)
    )
    assert all(torch.equal(again[name], before[name]) for name in before)


def test_the_second_stage_says_that_the_first_must_come_before(phantom_folder, tmp_path):
    parser = load_config(
        "train.yaml", {**TINY, "dataset_dir": phantom_folder, "output_dir": tmp_path}
    )
    with pytest.raises(SetupError, match=r"experts\.pt"):
        parser.get_parsed_content("run")


@pytest.mark.slow
def test_the_training_config_runs_as_a_monai_bundle(phantom_folder, tmp_path):
    values = {**TINY, "dataset_dir": phantom_folder, "output_dir": tmp_path, "expert": RECIPE}
    first = run_monai(ROOT / "configs", ["train.yaml", "train_experts.yaml"], ROOT, **values)
    assert first.returncode == 0, first.stderr
    second = run_monai(ROOT / "configs", ["train.yaml"], ROOT, **values)
    assert second.returncode == 0, second.stderr
    assert {path.name for path in tmp_path.iterdir()} == LEFT


@pytest.mark.slow
def test_a_copy_of_the_bundle_segments_from_any_folder_as_the_library_does(
    phantom_folder, tiny_settings, tmp_path
):
    """That the copy runs, and not the installed package, is seen from its version in the JSON."""
    copy = tmp_path / "unzipped"
    for name in ("configs", "bundle"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    (copy / "bundle" / "__init__.py").write_text('__version__ = "0.0.0+copy"\n')
    (copy / "models").mkdir()
    for suffix in ("", ".sha256"):
        shutil.copy(f"{tiny_settings['checkpoint']}{suffix}", copy / "models" / f"model.pt{suffix}")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    settings = {key: value for key, value in tiny_settings.items() if key != "checkpoint"}
    settings["expert"] = RECIPE
    places = {"bundle_root": copy, "dataset_dir": phantom_folder, "output_dir": tmp_path / "monai"}
    done = run_monai(copy / "configs", ["inference.yaml"], elsewhere, **places, **settings)
    assert done.returncode == 0, done.stderr

    outcomes = segment_cases(
        list_cases(phantom_folder), tmp_path / "library", settings=tiny_settings
    )
    for case_id in (outcome.case_id for outcome in outcomes):
        one, other = (
            tmp_path / way / case_id / f"{case_id}_seg.nii.gz" for way in ("monai", "library")
        )
        assert np.array_equal(nib.load(one).dataobj, nib.load(other).dataobj)
        assert "0.0.0+copy" in (tmp_path / "monai" / case_id / f"{case_id}.json").read_text()
