"""Trains the shipped weights within a given time, on one machine with a GPU and without a network.

    python models/train_weights.py pack real.tar /data/brats2021/BraTS2021_014{76,77,78,79,82,85}
    python models/train_weights.py run work --real real.tar --total-minutes 25 --minutes 9 --out
    results

``run`` draws the phantoms, unpacks the real cases, measures an epoch of both stages, chooses as
many epochs as fit into the total time, and trains until the minutes of this call are over. The same
call again goes on; exit status 75 says that it must. Weights, tables, curves and the log are in
``--out`` after every call.
"""

import argparse
import csv
import json
import logging
import os
import shutil
import sys
import tarfile
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from itertools import repeat
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bundle.configuration import parse_settings
from bundle.datasets.listing import list_cases
from bundle.names.file_names import find_images, find_label
from bundle.phantoms.phantom_cases import write_phantoms
from bundle.training.stages import train

LOGGER = logging.getLogger("simmlm")
TIME_OVER = 75
STAGES = ("experts", "mixture")
PROBED_EPOCHS = 2  # the first with training alone, the second validated too
RESULTS = (
    "model.pt",
    "model.pt.sha256",
    *(f"{stage}.{kind}" for stage in STAGES for kind in ("csv", "png")),
)


def pack(archive: Path, cases: list[Path]) -> None:
    """Store real cases cropped to the brain and with 255 grey values: small enough to be
    carried.
    """
    with tempfile.TemporaryDirectory() as folder, tarfile.open(archive, "w") as tar:
        for case in cases:
            small = Path(folder) / case.name
            small.mkdir()
            _shrink(case, small)
            tar.add(small, case.name)
            LOGGER.info(
                "%s: %.1f MB", case.name, sum(file.stat().st_size for file in small.iterdir()) / 1e6
            )


def _shrink(case: Path, small: Path) -> None:
    files = find_images(case, case.name)
    arrays = {file: np.asarray(nib.load(file).dataobj) for file in files.values()}
    brain = np.any([array != 0 for array in arrays.values()], axis=0)
    box = tuple(slice(indices.min(), indices.max() + 1) for indices in np.nonzero(brain))
    for file, array in arrays.items():
        top = np.percentile(array[array != 0], 99.9)
        _save(np.clip(np.rint(array * (254 / top)), 1, 255) * (array != 0), file, box, small)
    label = find_label(case, case.name)
    if label is not None:
        _save(np.asarray(nib.load(label).dataobj), label, box, small)


def _save(array: np.ndarray, file: Path, box: tuple[slice, ...], folder: Path) -> None:
    affine = nib.load(file).affine @ nib.affines.from_matvec(
        np.eye(3), [part.start for part in box]
    )
    image = nib.Nifti1Image(array[box].astype(np.uint8), affine)
    image.header.set_xyzt_units("mm")
    image.set_sform(affine, 1)
    image.set_qform(affine, 1)
    nib.save(image, folder / file.name)


def prepare(
    work: Path, groups: list[tuple[int, int, tuple[int, int, int]]], real: Path | None
) -> Path:
    """Draw the phantoms, each from a seed of its own, and unpack the real cases, once.

    Args:
        work: the folder of the training.
        groups: (first seed, number, shape) of phantoms.
        real: archive of ``pack``.
    """
    data, part = work / "data", work / "data.part"
    if data.is_dir():
        return data
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    seeds = [
        (seed, shape) for first, number, shape in groups for seed in range(first, first + number)
    ]
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(_draw, repeat(part), *zip(*seeds, strict=True)))
    if real is not None:
        with tarfile.open(real) as tar:
            tar.extractall(part, filter="data")
    part.rename(data)
    LOGGER.info("%d cases", len(list_cases(data)))
    return data


def _draw(folder: Path, seed: int, shape: tuple[int, int, int]) -> None:
    with tempfile.TemporaryDirectory(dir=folder.parent) as alone:
        (case,) = write_phantoms(Path(alone), n_cases=1, seed=seed, shape=shape)
        case.rename(folder / f"drawn{seed}-{case.name}")


def choose_epochs(
    work: Path, data: Path, settings: dict[str, Any], minutes: float, expert_share: float
) -> dict[str, Any]:
    """Measure both stages and choose as many epochs as fit; the choice is kept for the calls that
    go on.
    """
    plan = work / "plan.json"
    if plan.is_file():
        chosen: dict[str, Any] = json.loads(plan.read_text())
        return chosen
    probe = work / "probe"
    shutil.rmtree(probe, ignore_errors=True)
    train(data, probe, {**settings, "epochs": PROBED_EPOCHS, "val_interval": PROBED_EPOCHS})
    chosen = {}
    for stage, share in zip(STAGES, (expert_share, 1 - expert_share), strict=True):
        with (probe / f"{stage}.csv").open(newline="") as file:
            alone, validated = (float(row["seconds"]) for row in csv.DictReader(file))
        validation = max(0.0, validated - alone)
        # Every tenth of a stage is validated.
        epochs = max(1, int((share * minutes * 60 - 10 * validation) / alone))
        chosen |= {f"{stage}.epochs": epochs, f"{stage}.val_interval": max(1, epochs // 10)}
        LOGGER.info(
            "%s: %.1f s per epoch, %.1f s per validation, %d epochs",
            stage,
            alone,
            validation,
            epochs,
        )
    plan.write_text(json.dumps(chosen))
    return chosen


def run(arguments: argparse.Namespace) -> int:
    """Go on with the training until the minutes of this call are over."""
    started_s = time.monotonic()
    work, out = arguments.work, arguments.out
    for folder in (work, out):
        folder.mkdir(parents=True, exist_ok=True)
    log = logging.FileHandler(out / "train.log")
    log.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    LOGGER.addHandler(log)
    settings = parse_settings(arguments.set)
    try:
        groups = [
            (10_000, arguments.large, tuple(arguments.shape)),
            (20_000, arguments.small, tuple(arguments.small_shape)),
        ]
        data = prepare(work, groups, arguments.real)
        total = arguments.total_minutes - (time.monotonic() - started_s) / 60
        settings |= choose_epochs(work, data, settings, total, arguments.expert_share)
        left = arguments.minutes - (time.monotonic() - started_s) / 60
        weights = train(data, work / "run", settings, minutes=max(0.0, left))
    finally:
        for name in RESULTS:
            if (work / "run" / name).is_file():
                shutil.copy(work / "run" / name, out / name)
    return 0 if weights else TIME_OVER


def main() -> int:
    """Read the command line."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(message)s")
    LOGGER.setLevel(logging.INFO)
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(required=True, dest="command")
    packing = commands.add_parser("pack", help="store real cases in an archive")
    packing.add_argument("archive", type=Path)
    packing.add_argument("cases", type=Path, nargs="+")
    running = commands.add_parser("run", help="train, or go on")
    running.add_argument("work", type=Path, help="folder that is kept from call to call")
    running.add_argument("--out", type=Path, default=Path("results"))
    running.add_argument("--real", type=Path, help="archive of real cases")
    running.add_argument("--minutes", type=float, required=True, help="of this call")
    running.add_argument("--total-minutes", type=float, required=True, help="of all calls")
    running.add_argument("--expert-share", type=float, default=0.5, help="of the time")
    running.add_argument("--large", type=int, default=200, help="phantoms")
    running.add_argument("--small", type=int, default=40, help="phantoms")
    running.add_argument("--shape", type=int, nargs=3, default=(144, 176, 144))
    running.add_argument("--small-shape", type=int, nargs=3, default=(96, 112, 80))
    running.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="setting of the configs"
    )
    arguments = parser.parse_args()
    if arguments.command == "pack":
        pack(arguments.archive, arguments.cases)
        return 0
    return run(arguments)


if __name__ == "__main__":
    sys.exit(main())
