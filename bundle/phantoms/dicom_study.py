"""Studies of heads that never lived, as scanners write them: DICOM files without meaning in their
names, and the truth beside them.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from bundle.errors import UsageError
from bundle.files.atomic_file import make_folder
from bundle.files.dicom_file import import_pydicom
from bundle.files.json_file import write_json
from bundle.phantoms.dicom_instance import SeriesHeader, StudyHeader, write_instance
from bundle.phantoms.dicom_plan import DrawnSeries, StudyPlan, read_study_plan
from bundle.phantoms.dicom_stack import Array, cut, drawn_motion, stacks_of
from bundle.phantoms.head import Head, draw_head
from bundle.phantoms.phantom_cases import SHAPE, draw_phantom, write_volume
from bundle.phantoms.plan import read_plan
from bundle.tasks.default import DEFAULT_TASK
from bundle.tasks.task import Task

TRUTH = "truth"
"""Folder beside the studies for what is known of them."""

_STREAM = 20_000
"""Keeps the numbers of the head and its motions apart from those of the brain."""
_MOST = 4095.0


def write_studies(
    folder: Path,
    *,
    n_cases: int,
    seed: int,
    shape: tuple[int, int, int] = SHAPE,
    task: Task = DEFAULT_TASK,
) -> list[Path]:
    """Write drawn studies, one per case, each in a folder of its own.

    Case i depends on seed and i alone, and the same seed writes the same bytes. In ``truth`` lie
    ``CASE-seg.nii.gz``, on the grid of the series that the task's file chooses, and
    ``CASE-motions.json``: per modality its SeriesInstanceUID, and ``moved_by``, (4, 4), world to
    world in RAS+ mm, where a point of the scan lies in the head as it lay first.

    Args:
        folder: made if it is not there.
        n_cases: at least 1.
        seed: non-negative.
        shape: voxels of 1 mm of the brain's grid; the head is larger.
        task: declares what its studies look like.

    Returns:
        The folders of the studies, in order.

    Raises:
        UsageError: an argument is out of its range, or the task declares no study.
        SetupError: E_EXTRA, pydicom is not installed; E_TASK.
        OutputError: a file cannot be written.
    """
    if n_cases < 1 or seed < 0:
        raise UsageError(
            "E_PHANTOM",
            "Drawn studies must be at least 1, of a seed of at least 0; got"
            f" {n_cases} and {seed}. Correct them.",
        )
    plan, namings = read_study_plan(task), read_plan(task).namings
    import_pydicom()
    naming = next(iter(namings.values()))
    studies: list[Path] = []
    for number in range(1, n_cases + 1):
        rng = np.random.default_rng(np.random.SeedSequence((seed, number, _STREAM)))
        head = draw_head(draw_phantom((seed, number), shape, task=task), plan.head, rng)
        study = StudyHeader(seed, number)
        name = naming.case_name(number)
        motions = _write_study(make_folder(folder / name), head, plan, study, rng)
        truth = make_folder(folder / TRUTH)
        write_json(truth / f"{name}-motions.json", motions)
        _write_label(truth / f"{name}{naming.separator}{naming.label}.nii.gz", head, plan)
        studies.append(folder / name)
    return studies


def _write_study(
    folder: Path, head: Head, plan: StudyPlan, study: StudyHeader, rng: np.random.Generator
) -> dict[str, dict[str, object]]:
    """Write all series of a case; returns what is known of each modality."""
    known: dict[str, dict[str, object]] = {}
    for number, series in enumerate(plan.series, start=1):
        motion = drawn_motion(series, head.label.shape, head.affine, rng)
        header = SeriesHeader(study, number, series)
        _write_series(folder, head, header, motion)
        if series.truth:
            moved_by = np.linalg.inv(motion)
            known[series.of] = {"series_uid": header.uid, "moved_by": moved_by.tolist()}
    return known


def _write_series(folder: Path, head: Head, header: SeriesHeader, motion: Array) -> None:
    image = head.images[header.series.of]
    unit = _MOST / float(np.percentile(image, 99.9))
    for index, (position, orientation, pixels) in enumerate(_slices(head, header.series, motion)):
        values = np.clip(pixels * unit, 0, _MOST)
        write_instance(folder, header, index, (position, orientation), values)


def _slices(head: Head, series: DrawnSeries, motion: Array) -> Iterator[tuple[Array, Array, Array]]:
    """Yield position, orientation and values of the slices, the last of each stack first."""
    image = head.images[series.of]
    for _, stack in stacks_of(series, image.shape, head.affine):
        slices = list(cut(image, head.affine, stack, motion, series.thickness_mm))
        for index in reversed(range(len(slices))):
            yield stack.position(index), stack.orientation(), slices[index].astype(np.float64)


def _write_label(path: Path, head: Head, plan: StudyPlan) -> None:
    """Write the label map on the grid of its series: nearest voxels, none where both are one."""
    series = next(one for one in plan.series if one.label)
    ((_, stack),) = stacks_of(series, head.label.shape, head.affine)
    label = head.label.astype(np.float32)
    slices = cut(label, head.affine, stack, np.eye(4), 1.0)
    data = np.stack([np.rint(one).T for one in slices], axis=2).astype(np.uint8)
    write_volume(path, data, stack.ras_affine)
