"""Both stages, the evaluation and an answer, on a few drawn digits, as a user asks for them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

import bundle
from bundle.classification.avmnist.drawn_digits import write_drawn_digits
from bundle.classification.avmnist.pairing import Pairing
from bundle.classification.avmnist.preparing import prepare_avmnist
from bundle.classification.judging.class_scores import ClassScores
from bundle.cli.app import app
from bundle.config_files import config_set
from bundle.configuration import load_config
from bundle.tasks.class_task import load_class_task
from bundle.training.stages import train
from bundle.weights.state_file import read_weights

ROOT = Path(bundle.__file__).parents[1]
FEW = Pairing(n_training=6, n_test=3)
SHORT = {"device_name": "cpu", "epochs": 2, "batch_size": 20}
CONFIGS = config_set(load_class_task("avmnist"))
OVERLAYS = sorted(
    path.stem
    for folder in ("ablations", "peers", "variants")
    for path in (ROOT / "configs" / "avmnist" / folder).glob("*.yaml")
)


@pytest.fixture(scope="module")
def digits(tmp_path_factory) -> Path:
    """A folder with ``mnist``, ``fsdd`` and ``pairs.npz``."""
    folder = write_drawn_digits(tmp_path_factory.mktemp("digits"), pairing=FEW)
    prepare_avmnist(folder / "mnist", folder / "fsdd", folder / "pairs.npz", pairing=FEW)
    return folder


@pytest.fixture(scope="module")
def trained(digits, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("trained")
    assert train(digits / "pairs.npz", out, SHORT, configs=CONFIGS) == out / "model.pt"
    return out


def simmlm(*arguments: object) -> str:
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert done.exit_code == 0, done.output
    return done.output


def refused(*arguments: object) -> str:
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert done.exit_code != 0, done.output
    return " ".join(done.output.split())


def same(one: Path, other: Path) -> bool:
    a, b = read_weights(one), read_weights(other)
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_the_command_trains_the_same_weights(digits, trained, tmp_path):
    settings = ["--set", "batch_size=20", "--device", "cpu", "--epochs", 2]
    simmlm("train", digits / "pairs.npz", "--task", "avmnist", "-o", tmp_path, *settings)
    assert same(tmp_path / "model.pt", trained / "model.pt")


def test_the_second_stage_begins_with_the_experts_of_the_first(trained):
    experts, model = (read_weights(trained / name) for name in ("experts.pt", "model.pt"))
    assert {name for name in model if name.startswith("experts.")} == experts.keys()
    assert any(not torch.equal(experts[name], model[name]) for name in experts)


def test_a_training_that_was_stopped_goes_on_to_the_same_bits(digits, trained, tmp_path):
    stopped = 0
    while train(digits / "pairs.npz", tmp_path, SHORT, configs=CONFIGS, minutes=0) is None:
        stopped += 1
    assert stopped == 2  # after the first epoch of each stage
    assert same(tmp_path / "model.pt", trained / "model.pt")


@pytest.mark.slow
def test_it_learns(digits, tmp_path):
    settings = {**SHORT, "epochs": 15, "experts.epochs": 40, "batch_size": 10}
    train(digits / "pairs.npz", tmp_path / "run", settings, configs=CONFIGS)
    simmlm(
        *("evaluate", digits / "pairs.npz", "--task", "avmnist", "-o", tmp_path / "judged"),
        *("--checkpoint", tmp_path / "run" / "model.pt", "--set", "part=training"),
    )
    scores = ClassScores.read(tmp_path / "judged" / "scores.csv")
    assert np.nanmean(scores.correct[:, scores.of_set("image+audio")]) > 0.8


def test_the_command_judges_image_sound_and_both(digits, trained, tmp_path):
    said = simmlm(
        *("evaluate", digits / "pairs.npz", "--task", "avmnist", "-o", tmp_path),
        *("--checkpoint", trained / "model.pt"),
    )
    assert f"Report: {tmp_path / 'report.md'}" in said
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["n_cases"] == 30
    assert list(summary["means"]["accuracy"]) == ["image", "audio", "image+audio"]
    assert len(summary["weights_sha256"]) == 64
    assert summary["settings"] == {"audio_kind": "smil"}


@pytest.mark.parametrize("given", [("image",), ("audio",), ("image", "audio")])
def test_a_case_gets_the_class_that_the_evaluation_gives_it(digits, trained, tmp_path, given):
    with np.load(digits / "pairs.npz") as pairs:
        Image.fromarray(pairs["test_image"][4]).save(tmp_path / "digit.png")
        sound = digits / "fsdd" / "recordings" / str(pairs["test_recording"][4])
    files = {"image": tmp_path / "digit.png", "audio": sound}
    simmlm(
        *("evaluate", digits / "pairs.npz", "--task", "avmnist", "-o", tmp_path / "judged"),
        *("--checkpoint", trained / "model.pt"),
    )
    said = simmlm(
        *("predict", *(f"{name}={files[name]}" for name in given), "-o", tmp_path / "a.json"),
        *("--checkpoint", trained / "model.pt"),
    )
    answer = json.loads((tmp_path / "a.json").read_text())
    scores = ClassScores.read(tmp_path / "judged" / "scores.csv")
    place = scores.of_set("+".join(given))
    assert answer["predicted"] == scores.predicted[4, place]
    assert f"class: {answer['predicted']}" in said
    everything = answer["probabilities"]["+".join(given)]
    assert everything[str(scores.truth[4])] == pytest.approx(scores.probability[4, place], abs=1e-6)
    assert sum(answer["weights"].values()) == pytest.approx(1)
    assert answer["modalities"] == list(given)
    assert set(answer["missing"]) == {"image", "audio"} - set(given)


@pytest.mark.slow
@pytest.mark.parametrize("overlay", OVERLAYS)
def test_each_ablation_peer_and_variant_trains_and_is_judged(overlay, digits, trained, tmp_path):
    alone = overlay in ("without_pretraining", "shaspec", "concatenation")
    start = () if alone else (trained / "experts.pt",)
    settings = {**SHORT, "epochs": 1}
    train(
        digits / "pairs.npz",
        tmp_path / "run",
        settings,
        overlays=[overlay],
        start_from=start,
        configs=CONFIGS,
    )
    simmlm(
        *("evaluate", digits / "pairs.npz", "--task", "avmnist", "-o", tmp_path / "judged"),
        *("--checkpoint", tmp_path / "run" / "model.pt", "--overlay", overlay),
    )
    scores = ClassScores.read(tmp_path / "judged" / "scores.csv")
    assert scores.is_known.all()
    assert np.allclose(scores.weights.sum(axis=2), 1, atol=1e-5)


def test_static_averaging_without_training_is_the_mean_of_the_experts(digits, trained, tmp_path):
    settings = {**SHORT, "epochs": 1, "learning_rate": 0.0}
    train(
        digits / "pairs.npz",
        tmp_path,
        settings,
        overlays=["static_averaging"],
        start_from=(trained / "experts.pt",),
        configs=CONFIGS,
    )
    experts, model = read_weights(trained / "experts.pt"), read_weights(tmp_path / "model.pt")
    assert all(torch.equal(experts[name], model[name]) for name in experts)


@pytest.mark.filterwarnings("ignore")  # of mlflow and what it brings
@pytest.mark.parametrize("tracking", ["tensorboard", "mlflow"])
def test_a_training_can_be_followed(digits, tmp_path, tracking):
    pytest.importorskip(tracking)
    settings = {**SHORT, "epochs": 1}
    train(digits / "pairs.npz", tmp_path, settings, tracking=tracking, configs=CONFIGS)
    written = {"tensorboard": "tensorboard/*/events*", "mlflow": "mlruns.db"}[tracking]
    assert list(tmp_path.glob(written))


@pytest.mark.slow
def test_two_processes_train_what_one_does(digits, tmp_path):
    """With batches of the same cases: half of each in either process."""
    command = ["-m", "bundle.cli", "train", str(digits / "pairs.npz"), "--task", "avmnist"]
    command += ["--device", "cpu", "--epochs", "2"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    for name, size, launch in (
        ("one", 20, []),
        ("two", 10, ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]),
    ):
        options = [*command, "-o", str(tmp_path / name), "--set", f"batch_size={size}"]
        done = subprocess.run(
            [sys.executable, *launch, *options],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
            env=environment,
        )
        assert done.returncode == 0, done.stderr[-3000:]
    one, two = (read_weights(tmp_path / name / "model.pt") for name in ("one", "two"))
    assert all(torch.allclose(one[name], two[name], atol=1e-3) for name in one)


def test_coverage_hides_sounds_from_the_training(digits, tmp_path):
    values = {"dataset_dir": digits / "pairs.npz", "coverage": {"audio": 0.5}}
    config = load_config("avmnist/train.yaml", values)
    presence = config.get_parsed_content("training_cases").presence
    assert presence.sum(dim=0).tolist() == [60, 30]
    every = config.get_parsed_content("train#dataset").__getitems__(range(60))[0]["more"]
    assert not (every & ~presence).any()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("train", "PAIRS", "--task", "avmnist", "--split", "s.json"), "--split must be left out"),
        (
            ("train", "PAIRS", "--task", "avmnist", "--overlay", "none"),
            "must be a YAML file or one",
        ),
        (("train", "none.npz", "--task", "avmnist"), "none.npz must be"),
        (("train", "PAIRS", "--task", "avmnist", "--experts", "smell"), "must be one of audio"),
        (("train", "PAIRS", "--task", "avmnist", "--set", "roi_size=[9,9,9]"), "roi_size"),
        (("train", "PAIRS", "--task", "avmnist", "--set", "audio_kind=mp3"), "one of smil"),
        (("evaluate", "PAIRS", "--task", "avmnist"), "--checkpoint must be given"),
        (("evaluate", "PAIRS", "--task", "avmnist", "--predictions", "x"), "--predictions must"),
        (("evaluate", "PAIRS", "--task", "avmnist", "--empty", "one"), "--empty must be left out"),
        (("evaluate", "PAIRS", "--task", "avmnist", "--workers", "2"), "--workers must be left"),
    ],
)
def test_what_cannot_be_is_one_sentence(digits, tmp_path, arguments, words):
    named = [str(digits / "pairs.npz") if word == "PAIRS" else word for word in arguments]
    assert words in refused(*named, "-o", tmp_path / "out")


@pytest.mark.parametrize(
    ("files", "words"),
    [
        (["image"], "MODALITY=FILE"),
        (["image=a.png", "image=b.png"], "each modality once"),
        (["image=a.png", "picture=b.png"], "at most once"),
        (["smell=a.png"], "must be of a modality of avmnist"),
        (["image=none.png"], "none.png must be"),
    ],
)
def test_files_that_cannot_be_classified_are_refused(trained, files, words):
    said = refused("predict", *files, "--checkpoint", trained / "model.pt")
    assert words in said


def test_weights_of_another_kind_of_sound_are_not_used(digits, trained, tmp_path):
    said = refused(
        *("evaluate", digits / "pairs.npz", "--task", "avmnist", "-o", tmp_path),
        *("--checkpoint", trained / "model.pt", "--set", "audio_kind=1s"),
    )
    assert "audio_kind smil; got 1s" in said


def test_weights_of_another_task_are_not_used(digits, trained, tmp_path):
    said = refused(
        *("evaluate", digits / "pairs.npz", "--task", "image_text", "-o", tmp_path),
        *("--checkpoint", trained / "model.pt"),
    )
    assert "must be for the task image_text; they are for avmnist" in said


@pytest.mark.slow
def test_monai_bundle_runs_both_stages_to_the_same_weights_and_judges_them(
    digits, trained, tmp_path
):
    def run(files: list[str], **settings: object) -> None:
        options = [word for key, value in settings.items() for word in (f"--{key}", str(value))]
        paths = "[" + ",".join(f"'configs/avmnist/{name}.yaml'" for name in files) + "]"
        command = ["-m", "monai.bundle", "run", "--config_file", paths, *options]
        done = subprocess.run(
            [sys.executable, *command, "--dataset_dir", str(digits / "pairs.npz")],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())},
        )
        assert done.returncode == 0, done.stderr[-3000:]

    common = {"output_dir": tmp_path, "device_name": "cpu", "epochs": 2, "batch_size": 20}
    run(["train", "train_experts"], **common)
    run(["train"], **common)
    assert same(tmp_path / "model.pt", trained / "model.pt")
    run(
        ["train", "evaluate"],
        checkpoint=tmp_path / "model.pt",
        output_dir=tmp_path / "judged",
        device_name="cpu",
    )
    assert (tmp_path / "judged" / "report.md").is_file()
