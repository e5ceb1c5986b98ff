"""The tour: draws a case, hides two of its modalities, segments both versions and compares them
with the truth.
"""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from bundle.cohorts.cohort_segmentation import segment_cases
from bundle.datasets.listing import list_cases
from bundle.errors import OutputError, UsageError
from bundle.evaluation.region_metrics import region_metrics
from bundle.files.atomic_file import cause_of
from bundle.files.json_file import parse_json
from bundle.names.file_names import find_label
from bundle.phantoms.phantom_cases import write_phantoms
from bundle.tasks.default import DEFAULT_TASK
from bundle.tasks.task import Task

SEED, SHAPE = 6, (144, 176, 144)
N_SHOWN = 2
CASES, RESULTS = "cases", "results"
DRAWING, WHOLE, PARTIAL = "drawing", "all-four", "two-missing"


def run_demo(out: Path, echo: Callable[[str], None], *, task: Task = DEFAULT_TASK) -> None:
    """Make ``OUT/cases`` and ``OUT/results`` and print what came out.

    Args:
        out: must not exist yet, or hold an earlier demo.
        echo: prints a line.
        task: of the shipped weights.

    Raises:
        UsageError: ``out`` holds something else.
        OutputError: ``out`` cannot be written.
    """
    if out.exists() and not _is_free(out):
        raise UsageError(
            "E_OUTPUT",
            f"The demo folder must be new or an earlier demo; got {out}. Choose another.",
        )
    hidden = hidden_modalities(task)
    cases = _draw_cases(out / CASES, hidden)
    echo(f"Drew one case and hid {' and '.join(hidden)} in a copy: {cases}")
    wanted = {"preview": True, "contributions": "shares"}
    outcomes = segment_cases(list_cases(cases), out / RESULTS, settings=wanted)
    failed = [outcome.reason for outcome in outcomes if outcome.result is None]
    if failed:
        raise UsageError("E_DEMO", f"The demo must segment its own cases; got {failed[0]}")
    rows = [_row(cases, out / RESULTS, outcome.case_id, task) for outcome in outcomes]
    for line in _table(rows, task):
        echo(line)
    echo("Dice compares with the drawn truth; weights are means over brain and regions.")
    for outcome in outcomes:
        echo(f"Picture: {out / 'results' / outcome.case_id / outcome.case_id}_preview.png")


def hidden_modalities(task: Task) -> tuple[str, ...]:
    """Name the modalities that the second case lacks: all but those that show most."""
    shown = task.shown_first[:N_SHOWN]
    return tuple(modality for modality in task.modality_names if modality not in shown)


def _is_free(out: Path) -> bool:
    """Whether a folder is empty or an earlier demo and nothing else: the cases in it will be
    deleted.
    """
    names = {path.name for path in out.iterdir()} if out.is_dir() else {out.name}
    if not (out / CASES).is_dir():
        return not names
    drawn = {path.name for path in (out / CASES).iterdir()}
    return names <= {CASES, RESULTS} and drawn <= {DRAWING, WHOLE, PARTIAL}


def _draw_cases(folder: Path, hidden: Sequence[str]) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    (drawn,) = write_phantoms(folder / DRAWING, n_cases=1, seed=SEED, shape=SHAPE)
    try:
        shutil.copytree(drawn, folder / WHOLE)
        shutil.copytree(drawn, folder / PARTIAL)
        for modality in hidden:
            (folder / PARTIAL / f"{drawn.name}-{modality}.nii.gz").unlink()
        shutil.rmtree(folder / DRAWING)
    except OSError as error:
        raise OutputError(
            "E_WRITE",
            f"{folder} must be writable; got an error: {cause_of(error)}. Mend that and run again.",
        ) from None
    return folder


def _row(cases: Path, results: Path, case_id: str, task: Task) -> list[str]:
    facts = parse_json((results / case_id / f"{case_id}.json").read_bytes())
    label = find_label(cases / case_id, case_id)
    assert label is not None
    segmentation = _regions(results / case_id / f"{case_id}_seg.nii.gz", task)
    metrics = region_metrics(segmentation, _regions(label, task), spacing_mm=(1, 1, 1))
    dice = [f"{metrics[region]['dice']:.2f}" for region in task.region_names]
    volumes = [f"{volume:.1f}" for volume in facts["volumes_ml"].values()]
    weights = []
    for modality in task.modality_names:
        means = facts["mean_weights"].get(modality)
        weights.append(f"{np.mean(list(means.values())):.2f}" if means else "-")
    return [case_id, *dice, *volumes, *weights]


def _regions(path: Path, task: Task) -> NDArray[np.bool_]:
    """Read regions (R, H, W, D) from a label map."""
    label = np.asarray(nib.load(path).dataobj)  # type: ignore[attr-defined]
    return task.labels_to_regions(label).astype(bool)


def _table(rows: list[list[str]], task: Task) -> list[str]:
    dice = [f"Dice {region}" for region in task.region_names]
    volumes = [f"{label.name} ml" for label in task.labels]
    weights = [f"w {modality}" for modality in task.modality_names]
    lines = [["case", *dice, *volumes, *weights], *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    padded = []
    for line in lines:
        cells = [cell.ljust(width) for cell, width in zip(line, widths, strict=True)]
        padded.append("  ".join(cells))
    return padded
