"""Trains small versions of SimMLM, its ablations and its peers, judges them, and writes
docs/results.md.

    make tables                                                   # the CPU size, on drawn cases
    python -m tests.benchmarks.tables --size gpu                  # the paper's network and windows,
    on drawn cases python -m tests.benchmarks.tables --size gpu --data DIR --split split.json

All variants get the same cases, crops, seeds and number of training steps; those with a stage 1
share its experts. What is finished stays in the work folder: the same command goes on where it
stopped. Every variant and seed is a process with one thread on a CPU; --jobs of them run at once.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path

from bundle.phantoms.phantom_cases import write_phantoms
from bundle.tasks.default import DEFAULT_TASK
from tests.benchmarks.results_page import write_page

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Size:
    """How large networks, windows and trainings are.

    Attributes:
        network: overlay with the widths of the U-Nets; none for the paper's.
        epochs: of stage 1 and of stage 2; variants without a stage 1 get the sum.
        shape: of the drawn cases, voxels.
        n_training: drawn cases, a quarter of them validates.
    """

    network: str
    settings: dict[str, object]
    epochs: tuple[int, int]
    shape: tuple[int, int, int]
    n_training: int
    n_test: int


SHALLOW = """\
filters: [8, 16, 32, 64]
expert#kernel_size: [3, 3, 3, 3]
expert#strides: [1, 2, 2, 2]
expert#upsample_kernel_size: [2, 2, 2]
"""
SIZES = {
    "tiny": Size(
        SHALLOW,
        {"roi_size": [40, 40, 40], "batch_size": 2, "num_workers": 0, "overlap": 0.25},
        epochs=(1, 1),
        shape=(48, 56, 40),
        n_training=4,
        n_test=2,
    ),
    "cpu": Size(
        SHALLOW,
        {
            "roi_size": [40, 40, 40],
            "batch_size": 1,
            "num_workers": 0,
            "overlap": 0.25,
            "learning_rate": 3e-3,
        },
        epochs=(50, 25),
        shape=(64, 72, 56),
        n_training=16,
        n_test=12,
    ),
    "gpu": Size(
        "",
        {"roi_size": [128, 128, 128], "batch_size": 4, "num_workers": 4, "overlap": 0.5},
        epochs=(500, 300),
        shape=(160, 192, 144),
        n_training=64,
        n_test=24,
    ),
}


@dataclass(frozen=True)
class Variant:
    """What differs from SimMLM.

    Attributes:
        overlays: configs by name.
        settings: of stage 2.
        has_experts: starts from the experts of stage 1.
    """

    overlays: tuple[str, ...] = ()
    settings: dict[str, object] = field(default_factory=dict)
    has_experts: bool = True


VARIANTS = {
    "simmlm": Variant(),
    "without_mofe": Variant(("without_mofe",)),
    "lambda_0.01": Variant(settings={"mofe_weight": 0.01}),
    "lambda_0.5": Variant(settings={"mofe_weight": 0.5}),
    "static_averaging": Variant(("static_averaging",)),
    "probability_level": Variant(("probability_level",)),
    "feature_level": Variant(("feature_level",)),
    "without_pretraining": Variant(("without_pretraining",), has_experts=False),
    "early_fusion": Variant(("early_fusion",), has_experts=False),
    "momke": Variant(("momke",)),
    "shaspec": Variant(("shaspec",), has_experts=False),
}


@dataclass(frozen=True)
class Study:
    """Where everything lies."""

    work: Path
    size: Size
    training: Path
    test: Path
    split: Path | None
    device: str

    def folder(self, name: str, seed: int) -> Path:
        return self.work / f"seed-{seed}" / name


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", choices=SIZES, default="cpu")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument(
        "--jobs",
        type=int,
        help="processes at once; as many as CPU cores if left out, with --size gpu one",
    )
    parser.add_argument(
        "--work",
        type=Path,
        default=ROOT / ".work" / "tables",
        help="folder for everything that is made",
    )
    parser.add_argument("--data", type=Path, help="labelled cases; drawn ones if left out")
    parser.add_argument("--split", type=Path, help="of --data, with a test part, by simmlm split")
    parser.add_argument("--only", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    parser.add_argument("--device", default="auto")
    parser.add_argument("--page", type=Path, default=ROOT / "docs" / "results.md")
    arguments = parser.parse_args()
    if (arguments.data is None) != (arguments.split is None):
        parser.error("--data needs --split, and --split needs --data")
    study = prepare(arguments)
    seeds = range(arguments.seeds)
    with ThreadPoolExecutor(
        arguments.jobs or (1 if arguments.size == "gpu" else os.cpu_count())
    ) as pool:
        if any(VARIANTS[name].has_experts for name in arguments.only):
            list(pool.map(lambda seed: train_experts(study, seed), seeds))
        jobs = [(name, seed) for seed in seeds for name in arguments.only]
        list(pool.map(lambda job: train_and_judge(study, VARIANTS[job[0]], *job), jobs))
    runs = {
        name: [study.folder(name, seed) / "judged" for seed in seeds] for name in arguments.only
    }
    write_page(arguments.page, runs, describe(arguments, study))


def prepare(arguments: argparse.Namespace) -> Study:
    """Draw the cases, unless there are some, and refuse a work folder that was begun otherwise."""
    size = SIZES[arguments.size]
    work = arguments.work / arguments.size
    work.mkdir(parents=True, exist_ok=True)
    begun = json.dumps(
        {**asdict(size), "data": str(arguments.data), "split": str(arguments.split)}, indent=2
    )
    if (work / "size.json").exists() and (work / "size.json").read_text() != begun:
        raise SystemExit(
            f"{work} was begun with other settings. Choose another --work, or delete it."
        )
    (work / "size.json").write_text(begun)
    (work / "network.yaml").write_text(size.network or "{}\n")
    training, test = arguments.data or work / "training", arguments.data or work / "test"
    if arguments.data is None:
        write_phantoms(training, n_cases=size.n_training, seed=700, shape=size.shape)
        write_phantoms(test, n_cases=size.n_test, seed=701, shape=size.shape)
    return Study(work, size, training, test, arguments.split, arguments.device)


def train_experts(study: Study, seed: int) -> None:
    out = study.folder("experts", seed)
    settings = {**study.size.settings, "seed": seed, "epochs": study.size.epochs[0]}
    if not (out / "done").exists():
        simmlm(
            out,
            "train",
            *training_options(study, out, settings),
            "--experts",
            ",".join(DEFAULT_TASK.modality_names),
        )
        (out / "done").touch()


def train_and_judge(study: Study, variant: Variant, name: str, seed: int) -> None:
    out = study.folder(name, seed)
    if (out / "judged" / "summary.json").exists():
        return
    epochs = study.size.epochs[1] if variant.has_experts else sum(study.size.epochs)
    settings = {**study.size.settings, **variant.settings, "seed": seed, "epochs": epochs}
    start = (
        ["--start-from", str(study.folder("experts", seed) / "experts.pt")]
        if variant.has_experts
        else []
    )
    overlays = [option for overlay in variant.overlays for option in ("--overlay", overlay)]
    simmlm(out, "train", *training_options(study, out, settings, overlays), *start)
    judged = {key: study.size.settings[key] for key in ("roi_size", "overlap")} | {"amp": True}
    options = [
        "--data",
        study.test,
        "--out",
        out / "judged",
        "--checkpoint",
        out / "model.pt",
        "--device",
        study.device,
    ]
    options += ["--split", study.split] if study.split else []
    simmlm(
        out,
        "evaluate",
        *options,
        "--overlay",
        study.work / "network.yaml",
        *overlays,
        *set_options(judged),
    )


def training_options(
    study: Study, out: Path, settings: dict[str, object], overlays: Sequence[object] = ()
) -> list[object]:
    epochs = settings["epochs"]
    assert isinstance(epochs, int)
    options = ["--data", study.training, "--out", out, "--device", study.device]
    options += ["--split", study.split] if study.split else ["--set", "validation_share=0.25"]
    options += ["--overlay", study.work / "network.yaml", *overlays]
    return [*options, *set_options({**settings, "val_interval": max(1, epochs // 2)})]


def set_options(settings: dict[str, object]) -> list[object]:
    return [
        option
        for key, value in settings.items()
        for option in ("--set", f"{key}={json.dumps(value)}")
    ]


def simmlm(folder: Path, command: str, *options: object) -> None:
    """Run a command with one thread, for that is fastest when several run at once; its words go to
    a log.
    """
    folder.mkdir(parents=True, exist_ok=True)
    # Without these settings every large tensor is given back to the system and asked for again:
    # half of the time.
    memory = {"MALLOC_MMAP_THRESHOLD_": str(2**32), "MALLOC_TRIM_THRESHOLD_": str(2**32)}
    environment = {**os.environ, "OMP_NUM_THREADS": "1", **memory}
    call = [sys.executable, "-m", "bundle.cli", command, *map(str, options)]
    started_s = time.monotonic()
    with (folder / f"{command}.log").open("ab") as log:
        done = subprocess.run(call, stdout=log, stderr=log, env=environment, cwd=ROOT, check=False)
    print(
        f"{folder}: {command} {time.monotonic() - started_s:.0f} s, status {done.returncode}",
        flush=True,
    )
    if done.returncode:
        raise SystemExit(
            f"{command} failed; see {folder / f'{command}.log'}. The same command goes on from"
            " there."
        )


def describe(arguments: argparse.Namespace, study: Study) -> dict[str, object]:
    """Say what stands above the tables."""
    command = f"python -m tests.benchmarks.tables --size {arguments.size} --seeds {arguments.seeds}"
    command += " --data DIR --split FILE" if arguments.data else ""
    if command == "python -m tests.benchmarks.tables --size cpu --seeds 3":
        command = "make tables"
    return {
        "command": command,
        "n_seeds": arguments.seeds,
        "drawn": arguments.data is None,
        **asdict(study.size),
    }


if __name__ == "__main__":
    main()
