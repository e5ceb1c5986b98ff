"""Data sets in the layouts that people have, made from cases with BraTS-2023 names."""

import csv
import json
from collections.abc import Sequence
from pathlib import Path

import nibabel as nib
import numpy as np

from bundle.tasks.default import DEFAULT_TASK
from tests.volumes.nifti_samples import SHAPE, save, scan

MSD_ORDER = {"0": "FLAIR", "1": "T1w", "2": "t1gd", "3": "T2w"}
MSD_LABELS = {"0": "background", "1": "edema", "2": "non-enhancing tumor", "3": "enhancing tumour"}


def write_case(
    folder: Path, seed: int = 0, label: np.ndarray | None = None, separator: str = "-"
) -> Path:
    """Four scans of 9 x 8 x 7 voxels and, if given, a label map as it stands on disk."""
    folder.mkdir(parents=True, exist_ok=True)
    for index, modality in enumerate(DEFAULT_TASK.modality_names):
        save(
            folder / f"{folder.name}{separator}{modality}.nii.gz", data=scan(seed=4 * seed + index)
        )
    if label is not None:
        save(folder / f"{folder.name}{separator}seg.nii.gz", data=label)
    return folder


def stripes(*values: int) -> np.ndarray:
    """A label map with a slab of each value."""
    slabs = np.array(values, np.uint8)[np.arange(SHAPE[0]) % len(values)]
    return np.broadcast_to(slabs.reshape(-1, 1, 1), SHAPE).copy()


def write_table(path: Path, rows: Sequence[dict[str, object]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, list(rows[0]))
        table.writeheader()
        table.writerows(rows)
    return path


def write_json(path: Path, content: object) -> Path:
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def rows_of(folder: Path, start: Path) -> list[dict[str, str]]:
    """One row per case folder, with paths relative to ``start``."""
    rows = []
    for case in sorted(path for path in folder.iterdir() if path.is_dir()):
        files = {
            name: case / f"{case.name}-{name}.nii.gz"
            for name in (*DEFAULT_TASK.modality_names, "seg")
        }
        paths = {
            ("label" if name == "seg" else name): str(file.relative_to(start))
            for name, file in files.items()
        }
        rows.append({"case_id": case.name, **paths})
    return rows


def write_msd(
    folder: Path, drawn: Path, order: dict[str, str] = MSD_ORDER, **changes: object
) -> Path:
    """The cases of a folder as Task01 keeps them; the last one becomes a test case."""
    names = {"FLAIR": "t2f", "T1w": "t1n", "t1gd": "t1c", "T2w": "t2w"}
    for part in ("imagesTr", "labelsTr", "imagesTs"):
        (folder / part).mkdir(parents=True)
    cases = sorted(path for path in drawn.iterdir() if path.is_dir())
    for number, case in enumerate(cases):
        images = [
            nib.load(case / f"{case.name}-{names[order[str(index)]]}.nii.gz")
            for index in range(len(order))
        ]
        part = "imagesTs" if number == len(cases) - 1 else "imagesTr"
        stacked = np.stack([np.asarray(image.dataobj) for image in images], axis=3)
        save(folder / part / f"BRATS_{number:03d}.nii.gz", data=stacked, affine=images[0].affine)
        if part == "imagesTr":
            label = np.asarray(nib.load(case / f"{case.name}-seg.nii.gz").dataobj)
            on_disk = DEFAULT_TASK.numbering("msd").write(label)
            save(
                folder / "labelsTr" / f"BRATS_{number:03d}.nii.gz",
                data=on_disk,
                affine=images[0].affine,
            )
    listed = [f"BRATS_{number:03d}.nii.gz" for number in range(len(cases))]
    training = [
        {"image": f"./imagesTr/{name}", "label": f"./labelsTr/{name}"} for name in listed[:-1]
    ]
    content = {"name": "BRATS", "modality": order, "labels": MSD_LABELS, "training": training}
    write_json(
        folder / "dataset.json", {**content, "test": [f"./imagesTs/{listed[-1]}"], **changes}
    )
    return folder
