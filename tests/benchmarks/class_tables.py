"""Trains SimMLM, its ablations, its peers and variants of our own on a task of classes with many
seeds, judges them, and writes a page.

    make tables-avmnist                        # docs/results_avmnist.md
    make tables-image-text                     # docs/results_image_text.md
    python -m tests.benchmarks.class_tables avmnist --data avmnist.npz --seeds 10 --page PAGE.md

All rows get the same cases, batches, seeds and number of training steps; those with a stage 1 share
its experts. What is finished stays in the work folder: the same command goes on where it stopped.
Without --data the cases are drawn. Every process has one thread; --jobs of them run at once.
"""

import argparse
import contextlib
import logging
import multiprocessing
import os
import time
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from bundle.classification.cases_to_classes import evaluate
from bundle.config_files import config_set
from bundle.tasks.class_task import load_class_task
from bundle.training.stages import train
from tests.benchmarks.class_data import drawn_data, found_data
from tests.benchmarks.class_page import write_page
from tests.benchmarks.class_rows import STUDIES, Row, Study

ROOT = Path(__file__).resolve().parents[2]
DONE = "report.md"


@dataclass(frozen=True)
class Job:
    """One training and its judgement, or the experts that several trainings share.

    Attributes:
        task: by name.
        data: file or folder.
        work: folder of everything.
        row: what is trained; its experts alone where ``of_experts``.
        seed: of the training.
    """

    task: str
    data: Path
    work: Path
    row: Row
    seed: int
    of_experts: bool = False

    @property
    def experts(self) -> Path:
        return self.work / f"seed-{self.seed}" / f"experts{self.row.condition_name}"

    @property
    def folder(self) -> Path:
        return self.work / f"seed-{self.seed}" / f"{self.row.name}{self.row.condition_name}"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("task", choices=STUDIES)
    parser.add_argument("--data", type=Path, help="as `simmlm train` takes it; drawn if left out")
    parser.add_argument("--seeds", type=int, help="10 of avmnist, 5 of image_text if left out")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="processes at once")
    parser.add_argument("--work", type=Path, default=ROOT / ".work" / "class_tables")
    parser.add_argument("--only", nargs="+", help="rows by name, as the work folder calls them")
    parser.add_argument("--page", type=Path, help="of real data in docs/ if left out")
    arguments = parser.parse_args()
    study = STUDIES[arguments.task]
    seeds = range(arguments.seeds or study.n_seeds)
    work = arguments.work / (arguments.task if arguments.data else f"{arguments.task}-drawn")
    work.mkdir(parents=True, exist_ok=True)
    data = found_data(arguments.data, work) or drawn_data(arguments.task, work)
    page = arguments.page or (ROOT / "docs" / study.page if arguments.data else work / study.page)
    jobs = [
        Job(arguments.task, data, work, row, seed)
        for seed in seeds
        for row in study.rows
        if not arguments.only or row.name in arguments.only
    ]
    run_all(jobs, arguments.jobs)
    facts = {
        "command": f"make tables-{arguments.task.replace('_', '-')}{given(study, arguments.data)}",
        "drawn": arguments.data is None,
        "n_seeds": len(seeds),
    }
    write_page(page, study, work, list(seeds), facts)
    print(page)


def given(study: Study, data: Path | None) -> str:
    """Say how the data are named to make, with a space before."""
    return "" if data is None else f" {study.variable}={data.name}"


def run_all(jobs: Sequence[Job], n_processes: int) -> None:
    """Train the experts of all conditions, then everything that starts from them."""
    experts = {job.experts: job for job in jobs if job.row.has_experts}
    first = [replace(job, of_experts=True) for job in experts.values()]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(n_processes, context, initializer=be_quiet) as pool:
        list(pool.map(do, first))
        for number, said in enumerate(pool.map(do, jobs), 1):
            if said:
                print(f"{number}/{len(jobs)} {said}", flush=True)


def be_quiet() -> None:
    """Prepare a process that computes."""
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    logging.getLogger("ignite").setLevel(logging.CRITICAL)
    logging.getLogger("simmlm").setLevel(logging.ERROR)


def do(job: Job) -> str:
    """Do a job unless it is done; say how long it took."""
    folder = job.experts if job.of_experts else job.folder
    if (folder / ("experts.pt" if job.of_experts else f"judged/{DONE}")).exists():
        return ""
    started_s = time.monotonic()
    with only_errors():
        if job.of_experts:
            train_experts(job)
        else:
            train_and_judge(job)
    return f"{folder.relative_to(job.work)} {time.monotonic() - started_s:.1f} s"


def train_experts(job: Job) -> None:
    task = load_class_task(job.task)
    study = STUDIES[job.task]
    settings = {**dict(study.settings), **dict(job.row.condition), "epochs": study.epochs[0]}
    train(
        job.data,
        job.experts,
        {"device_name": "cpu", "seed": job.seed, **settings},
        experts=task.modality_names,
        configs=config_set(task),
    )


def train_and_judge(job: Job) -> None:
    row, task = job.row, load_class_task(job.task)
    study = STUDIES[job.task]
    condition = {**dict(study.settings), **dict(row.condition)}
    epochs = study.epochs[1] if row.has_experts else sum(study.epochs)
    settings = {"epochs": epochs, **condition, **dict(row.settings)}
    settings |= {"device_name": "cpu", "seed": job.seed}
    start = (job.experts / "experts.pt",) if row.has_experts else ()
    configs = config_set(task)
    train(job.data, job.folder, settings, overlays=row.overlays, start_from=start, configs=configs)
    condition.pop("coverage", None)
    judged = {
        "device_name": "cpu",
        "dataset_dir": job.data,
        "checkpoint": job.folder / "model.pt",
        **condition,
    }
    evaluate(task, job.folder / "judged", judged, overlays=row.overlays)


@contextlib.contextmanager
def only_errors() -> Iterator[None]:
    """Keep progress off the screen: there are hundreds of trainings."""
    with Path(os.devnull).open("w") as nowhere, contextlib.redirect_stdout(nowhere):
        yield


if __name__ == "__main__":
    main()
