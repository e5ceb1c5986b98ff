"""Time of segmenting one whole case against MONAI's `brats_mri_segmentation`, file to file.

    python -m tests.benchmarks.zoo [CASE_FOLDER] [--runs 3] [--set KEY=VALUE]

The other bundle's network, transforms and window are those of its `configs/inference.json`
(version 0.5.2), with random weights: time does not depend on them. It writes a label map; this
bundle writes label map, entropy, a weight map per modality and the facts. Without a folder a
phantom of 240 x 240 x 155 voxels is drawn. Both take turns, each in a process of its own with
the network loaded and one run that is not counted. Times are medians of wall time with the cores
that `OMP_NUM_THREADS` leaves, and of CPU time. The last line is JSON; `time_ratio` is ours to
theirs.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from monai.data import DataLoader, Dataset
from monai.engines import SupervisedEvaluator
from monai.inferers import SlidingWindowInferer
from monai.networks.nets import SegResNet
from monai.transforms import (
    Activationsd,
    AsDiscreted,
    Compose,
    Invertd,
    Lambdad,
    LoadImaged,
    NormalizeIntensityd,
    SaveImaged,
)

from bundle.configuration import load_config, parse_settings
from bundle.names.file_names import find_images
from tests.benchmarks.modalities import draw_case
from tests.benchmarks.turns import take_turns

THEIR_ORDER = ("t1c", "t1n", "t2w", "t2f")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("case_folder", nargs="?", type=Path)
    parser.add_argument("--runs", type=int, default=3, help="of each, that are counted")
    parser.add_argument(
        "--set", action="append", default=[], help="setting of configs/inference.yaml, KEY=VALUE"
    )
    parser.add_argument("--only", choices=("ours", "theirs"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.only:
        answer_requests(arguments)
        return
    with tempfile.TemporaryDirectory() as work:
        folder = arguments.case_folder or draw_case(Path(work))
        measured = take_turns(started(folder, arguments.set), arguments.runs)
    report(measured)


def started(folder: Path, settings: list[str]) -> dict[str, subprocess.Popen]:
    options = [part for setting in settings for part in ("--set", setting)]
    command = [sys.executable, "-m", "tests.benchmarks.zoo", str(folder), *options]
    return {
        kind: subprocess.Popen(
            [*command, "--only", kind], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for kind in ("theirs", "ours")
    }


def answer_requests(arguments: argparse.Namespace) -> None:
    """Segment the case once for every line of standard input, and say how long it took."""
    images = find_images(arguments.case_folder, arguments.case_folder.name)
    with tempfile.TemporaryDirectory() as work:
        if arguments.only == "theirs":
            segment = theirs(images, Path(work))
        else:
            segment = ours(images, Path(work), parse_settings(arguments.set))
        for _ in sys.stdin:
            wall, cpu = time.perf_counter(), time.process_time()
            segment()
            figures = {"wall_s": time.perf_counter() - wall, "cpu_s": time.process_time() - cpu}
            figures["peak_gb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
            rounded = {name: round(value, 2) for name, value in figures.items()}
            print(json.dumps(rounded), flush=True)


def ours(images: dict[str, Path], out: Path, settings: dict) -> Callable[[], object]:
    cases = ({"case_id": "case", "image": images},)
    values = {"cases": cases, "output_dir": out, "overwrite": True, **settings}
    config = load_config("inference.yaml", values)
    runner = config.get_parsed_content("case_runner")

    def segment() -> None:
        outcomes = runner.run()
        assert [outcome.status for outcome in outcomes] == ["ok"], outcomes

    return segment


def theirs(images: dict[str, Path], out: Path) -> Callable[[], object]:
    network = SegResNet(
        blocks_down=(1, 2, 2, 4),
        blocks_up=(1, 1, 1),
        init_filters=16,
        in_channels=4,
        out_channels=3,
        dropout_prob=0.2,
    )
    before = Compose(
        [
            LoadImaged(keys="image"),
            NormalizeIntensityd(keys="image", nonzero=True, channel_wise=True),
        ]
    )
    after = Compose(
        [
            Activationsd(keys="pred", sigmoid=True),
            Invertd(
                keys="pred",
                transform=before,
                orig_keys="image",
                meta_keys="pred_meta_dict",
                nearest_interp=False,
                to_tensor=True,
            ),
            AsDiscreted(keys="pred", threshold=0.5),
            Lambdad(keys="pred", func=_labels),
            SaveImaged(
                keys="pred",
                meta_keys="pred_meta_dict",
                output_dir=out,
                output_postfix="seg",
                output_dtype="uint8",
                resample=False,
                squeeze_end_dims=True,
                print_log=False,
            ),
        ]
    )
    files = [str(images[modality]) for modality in THEIR_ORDER]
    # No worker processes: one case, and their CPU time would not be counted.
    loader = DataLoader(Dataset([{"image": files}], before), batch_size=1)
    evaluator = SupervisedEvaluator(
        device=torch.device("cpu"),
        val_data_loader=loader,
        network=network,
        inferer=SlidingWindowInferer(roi_size=(240, 240, 160), sw_batch_size=1, overlap=0.5),
        postprocessing=after,
    )
    return evaluator.run


def _labels(regions: torch.Tensor) -> torch.Tensor:
    core, whole, enhancing = (regions > 0).split(1)
    return torch.where(enhancing, 4, torch.where(core, 1, torch.where(whole, 2, 0)))


def report(measured: dict[str, list[dict]]) -> None:
    medians = {
        kind: {name: statistics.median(run[name] for run in runs) for name in runs[0]}
        for kind, runs in measured.items()
    }
    ours_to_theirs = {
        name: round(medians["ours"][name] / medians["theirs"][name], 3)
        for name in ("wall_s", "cpu_s")
    }
    print(
        json.dumps(
            {
                "time_ratio": ours_to_theirs["wall_s"],
                "cpu_ratio": ours_to_theirs["cpu_s"],
                **medians,
                "threads": torch.get_num_threads(),
                "cpu_flags": cpu_flags(),
            }
        )
    )


def cpu_flags() -> list[str]:
    """Return what this CPU has of the instructions that decide how fast a network runs."""
    path = Path("/proc/cpuinfo")
    words = set(path.read_text(encoding="utf-8").split()) if path.exists() else set()
    known = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8")
    return [flag for flag in known if flag in words]


if __name__ == "__main__":
    main()
