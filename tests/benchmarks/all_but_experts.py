"""CPU time of segmenting one whole case without its experts, stage by stage, file to file.

    python -m tests.benchmarks.all_but_experts [CASE_FOLDER] [--runs 3] [--other CHECKOUT]

The experts are replaced by an average over neighbours, and its time is not counted: all else is
what a run does, reading, preparing, windows, gate, mixing, maps and writing. Without a folder a
phantom of 240 x 240 x 155 voxels is drawn. With another checkout of this project both take turns,
each in a process of its own with one run that is not counted. CPU times of one thread, medians of
the runs; what a stage calls and has a name of its own is not counted twice. The last line is JSON;
`time_ratio` is this checkout's total to the other's.
"""

import argparse
import functools
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from bundle.configuration import load_config, parse_settings
from bundle.names.file_names import find_images
from bundle.settings import SETTINGS
from tests.benchmarks.modalities import draw_case

EXPERTS, REST = "experts", "rest"


class FakeExpert(nn.Module):
    """Smooth logits of a wide range, as an expert's are, for next to nothing."""

    def __init__(self, n_regions: int) -> None:
        super().__init__()
        self.n_regions = n_regions

    def forward(self, image: Tensor) -> Tensor:
        near = functional.avg_pool3d(image, 4)
        smooth = functional.interpolate(near, image.shape[2:], mode="trilinear")
        return torch.cat([20 * (smooth - 1 - region / 2) for region in range(self.n_regions)], 1)


class StageClock:
    """Adds up what methods take, without what others of them take that they call."""

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()
        self._inner: list[float] = []

    def watch(self, owner: type, method: str, stage: str) -> None:
        """Time a method of a class from now on."""
        watched = getattr(owner, method)

        @functools.wraps(watched)
        def timed(*args: Any, **options: Any) -> Any:
            started = time.process_time()
            self._inner.append(0.0)
            try:
                return watched(*args, **options)
            finally:
                took = time.process_time() - started
                self.seconds[stage] += took - self._inner.pop()
                if self._inner:
                    self._inner[-1] += took

        setattr(owner, method, timed)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("case_folder", nargs="?", type=Path)
    parser.add_argument("--runs", type=int, default=3, help="that are counted")
    parser.add_argument("--other", type=Path, help="root of another checkout")
    parser.add_argument(
        "--set", action="append", default=[], help="setting of configs/inference.yaml, KEY=VALUE"
    )
    parser.add_argument("--only", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.only:
        answer_requests(arguments)
        return
    # Only here: the process that runs another checkout's code may not have it.
    from tests.benchmarks.turns import take_turns

    roots = {"this": Path(__file__).parents[2]}
    if arguments.other:
        roots["other"] = arguments.other
    with tempfile.TemporaryDirectory() as work:
        folder = arguments.case_folder or draw_case(Path(work))
        processes = {name: start(root, folder, arguments) for name, root in roots.items()}
        measured = take_turns(processes, arguments.runs)
    report(measured)


def start(root: Path, folder: Path, arguments: argparse.Namespace) -> subprocess.Popen:
    """Start this script on the code of a checkout, which need not have it."""
    options = [part for setting in arguments.set for part in ("--set", setting)]
    return subprocess.Popen(
        [sys.executable, __file__, str(folder.absolute()), "--only", *options],
        env={**os.environ, "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"},
        cwd=root,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def answer_requests(arguments: argparse.Namespace) -> None:
    """Segment the case once for every line of standard input, and say how long it took."""
    torch.set_num_threads(1)
    images = find_images(arguments.case_folder, arguments.case_folder.name)
    clock = StageClock()
    with tempfile.TemporaryDirectory() as out:
        segment = prepared(images, Path(out), parse_settings(arguments.set), clock)
        for _ in sys.stdin:
            clock.seconds.clear()
            started = time.process_time()
            segment()
            total = time.process_time() - started
            stages = dict(clock.seconds)
            stages[REST] = total - sum(stages.values())
            n_bytes = sum(file.stat().st_size for file in Path(out).rglob("*.nii.gz"))
            peak_gb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
            figures = {
                "total_s": round(total - stages.pop(EXPERTS), 3),
                "stages_s": {stage: round(seconds, 3) for stage, seconds in stages.items()},
                "written_mb": round(n_bytes / 1e6, 2),
                "peak_gb": round(peak_gb, 2),
            }
            print(json.dumps(figures), flush=True)


def prepared(
    images: dict[str, Path], out: Path, settings: dict, clock: StageClock
) -> Callable[[], object]:
    """Return what segments the case, with fake experts and a clock at every stage."""
    cases = ({"case_id": "case", "image": images},)
    values = {"cases": cases, "output_dir": out, "overwrite": True, **settings}
    if "runtime" in SETTINGS:  # another checkout may not have it
        values["runtime"] = "torch"  # which runs any layer, also one that only looks like an expert
    config = load_config("inference.yaml", values)
    network = config.get_parsed_content("network")
    n_regions = config.get_parsed_content("task").n_regions
    for name in tuple(network.experts):
        network.experts[name] = FakeExpert(n_regions)
    clock.watch(FakeExpert, "__call__", EXPERTS)
    clock.watch(type(network), "encode", "encode")
    clock.watch(type(network), "mix", "gate and mix")
    clock.watch(type(config.get_parsed_content("inferer")), "__call__", "windows")
    for chain in ("preprocessing", "postprocessing"):
        for step in config.get_parsed_content(chain).transforms:
            clock.watch(type(step), "__call__", type(step).__name__)
    for handler in config.get_parsed_content("handlers"):
        clock.watch(type(handler), "write", "writing")
    runner = config.get_parsed_content("case_runner")

    def segment() -> None:
        outcomes = runner.run()
        assert [outcome.status for outcome in outcomes] == ["ok"], outcomes

    return segment


def report(measured: dict[str, list[dict]]) -> None:
    medians = {name: medians_of(runs) for name, runs in measured.items()}
    figures: dict[str, Any] = {}
    if "other" in medians:
        ratio = medians["this"]["total_s"] / medians["other"]["total_s"]
        figures["time_ratio"] = round(ratio, 3)
    print(json.dumps({**figures, **medians}))


def medians_of(runs: list[dict]) -> dict:
    stages = {
        stage: round(statistics.median(run["stages_s"].get(stage, 0.0) for run in runs), 3)
        for stage in runs[0]["stages_s"]
    }
    total_s = statistics.median(run["total_s"] for run in runs)
    last = runs[-1]
    return {**last, "total_s": round(total_s, 3), "stages_s": stages}


if __name__ == "__main__":
    main()
