"""The tour: draws a case, hides two of its modalities, segments both versions and compares them
with the truth.
"""

import shutil
from collections.abc import Callable
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
from bundle.tasks.modalities import MODALITIES
from bundle.tasks.regions import REGIONS, labels_to_regions

SEED, SHAPE = 6, (144, 176, 144)
HIDDEN = ("t1n", "t2w")
CASES, RESULTS = "cases", "results"
DRAWING, WHOLE, PARTIAL = "drawing", "all-four", "two-missing"


def run_demo(out: Path, echo: Callable[[str], None]) -> None:
    """Make ``OUT/cases`` and ``OUT/results`` and print what came out.

    Args:
        out: must not exist yet, or hold an earlier demo.
        echo: prints a line.

    Raises:
        UsageError: ``out`` holds something else.
        OutputError: ``out`` cannot be written.
    """
    if out.exists() and not _is_free(out):
        raise UsageError(
            "E_OUTPUT",
            f"The demo folder must be new or an earlier demo; got {out}. Choose another.",
        )
    cases = _draw_cases(out / CASES)
    echo(f"Drew one case and hid {' and '.join(HIDDEN)} in a copy: {cases}")
    outcomes = segment_cases(list_cases(cases), out / RESULTS, settings={"preview": True})
    failed = [outcome.reason for outcome in outcomes if outcome.result is None]
    if failed:
        raise UsageError("E_DEMO", f"The demo must segment its own cases; got {failed[0]}")
    for line in _table([_row(cases, out / RESULTS, outcome.case_id) for outcome in outcomes]):
        echo(line)
    echo("Dice compares with the drawn truth; weights are means over brain and regions.")
    for outcome in outcomes:
        echo(f"Picture: {out / 'results' / outcome.case_id / outcome.case_id}_preview.png")


def _is_free(out: Path) -> bool:
    """Whether a folder is empty or an earlier demo and nothing else: the cases in it will be
    deleted.
    """
    names = {path.name for path in out.iterdir()} if out.is_dir() else {out.name}
    if not (out / CASES).is_dir():
        return not names
    return names <= {CASES, RESULTS} and {path.name for path in (out / CASES).iterdir()} <= {
        DRAWING,
        WHOLE,
        PARTIAL,
    }


def _draw_cases(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    (drawn,) = write_phantoms(folder / DRAWING, n_cases=1, seed=SEED, shape=SHAPE)
    try:
        shutil.copytree(drawn, folder / WHOLE)
        shutil.copytree(drawn, folder / PARTIAL)
        for modality in HIDDEN:
            (folder / PARTIAL / f"{drawn.name}-{modality}.nii.gz").unlink()
        shutil.rmtree(folder / DRAWING)
    except OSError as error:
        raise OutputError(
            "E_WRITE",
            f"{folder} must be writable; got an error: {cause_of(error)}. Mend that and run again.",
        ) from None
    return folder


def _row(cases: Path, results: Path, case_id: str) -> list[str]:
    facts = parse_json((results / case_id / f"{case_id}.json").read_bytes())
    label = find_label(cases / case_id, case_id)
    assert label is not None
    segmentation, truth = (
        _regions(path) for path in (results / case_id / f"{case_id}_seg.nii.gz", label)
    )
    metrics = region_metrics(segmentation, truth, spacing_mm=(1, 1, 1))
    weights = {
        name: np.mean(list(regions.values())) for name, regions in facts["mean_weights"].items()
    }
    return [
        case_id,
        *(f"{metrics[region]['dice']:.2f}" for region in REGIONS),
        *(f"{volume:.1f}" for volume in facts["volumes_ml"].values()),
        *(f"{weights[modality]:.2f}" if modality in weights else "-" for modality in MODALITIES),
    ]


def _regions(path: Path) -> NDArray[np.bool_]:
    """Read regions (R, H, W, D) from a label map."""
    return labels_to_regions(np.asarray(nib.load(path).dataobj)).astype(bool)  # type: ignore[attr-defined]


def _table(rows: list[list[str]]) -> list[str]:
    dice = [f"Dice {region}" for region in REGIONS]
    volumes = ["core ml", "oedema ml", "enhancing ml"]
    header = ["case", *dice, *volumes, *(f"w {modality}" for modality in MODALITIES)]
    widths = [max(len(row[column]) for row in [header, *rows]) for column in range(len(header))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in [header, *rows]
    ]
