"""Reports of results that lie in an output folder: read again, never computed anew."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bundle.errors import CaseError, UserError
from bundle.outputs.earlier_results import read_result
from bundle.outputs.input_images import read_images
from bundle.outputs.report.case_view import SEGMENTATION, CaseView
from bundle.outputs.report.report_files import write_report
from bundle.plain_text import printable
from bundle.tasks.task import Task
from bundle.volumes.file_errors import naming
from bundle.volumes.geometry import Grid
from bundle.volumes.image_file import read_stored

_ENDING = ".nii.gz"
_WITHOUT = (
    "The images are not shown, only the maps: their files are gone, or are not those that were"
    " segmented."
)


def result_names(out: Path) -> Iterator[str]:
    """Name the cases that have a finished result in an output folder, in order."""
    for folder in sorted(out.iterdir()):
        if folder.is_dir() and (folder / f"{folder.name}.json").is_file():
            yield folder.name


def report_written(out: Path, case_id: str, task: Task) -> None:
    """Write the report of a result that lies in an output folder.

    Args:
        out: the output folder.
        case_id: names a folder there.
        task: of the network.

    Raises:
        CaseError: E_REPORT, there is no result, it is of another task or lacks its label map; or
            a map cannot be read.
        OutputError: a file cannot be written.
    """
    write_report(out / case_id, written_view(out, case_id, task))


def written_view(out: Path, case_id: str, task: Task) -> CaseView:
    """Read a result again, with its images where they still are what was segmented.

    Raises:
        CaseError: as ``report_written``.
    """
    folder = out / case_id
    facts = read_result(folder, case_id)
    if facts is None:
        raise _error(case_id, "there must be a result of this program", f"none in {folder}")
    _check_task(facts, case_id, task)
    names = [str(name) for name in facts.get("maps", ())]
    prefix = f"{case_id}_"
    kinds = {name.removeprefix(prefix).removesuffix(_ENDING): name for name in names}
    maps: dict[str, NDArray[Any]] = {}
    grid: Grid | None = None
    for kind, name in kinds.items():
        if Path(name).name == name and (folder / name).is_file():
            maps[kind], grid = _read_map(folder / name, case_id, kind)
    if grid is None or SEGMENTATION not in maps:
        raise _error(case_id, "a result must have its label map", f"none in {folder}")
    maps = {kind: values for kind, values in maps.items() if values.shape == grid.shape}
    numbering = task.numberings[facts["labels"]["convention"]]
    maps[SEGMENTATION] = numbering.read(maps[SEGMENTATION].astype(np.int64))
    images = _images(facts, grid, case_id, task)
    return CaseView(facts, images, maps, grid.affine, task, "" if images else _WITHOUT)


def _check_task(facts: Mapping[str, Any], case_id: str, task: Task) -> None:
    labels = facts.get("labels") or {}
    known = labels.get("convention") in task.numberings
    names = set((labels.get("values") or {}).values())
    modalities = set(facts.get("modalities") or ())
    fits = names <= set(task.label_names.values()) and modalities <= set(task.modality_names)
    if not (known and fits and modalities):
        got = ", ".join(sorted(map(str, names | modalities))) or "no labels"
        rule = f"the result must be of the task {task.name}"
        raise _error(case_id, rule, printable(got), "Name its task with --task.")


def _read_map(path: Path, case_id: str, kind: str) -> tuple[NDArray[Any], Grid]:
    with naming(case_id, kind, path):
        stored = read_stored(path)
    values = stored.voxels.astype(np.float32) * stored.layout.slope + stored.layout.intercept
    return values, stored.grid


def _images(
    facts: Mapping[str, Any], grid: Grid, case_id: str, task: Task
) -> dict[str, NDArray[np.float32]]:
    """Read the images; none where one of them is not what was segmented: half would mislead."""
    try:
        return read_images(facts.get("inputs", {}), grid, case_id=case_id, task=task)
    except (UserError, OSError, KeyError, TypeError):
        return {}


def _error(case_id: str, rule: str, got: str, remedy: str = "Segment the case again.") -> CaseError:
    return CaseError("E_REPORT", f"{printable(case_id)}: {rule}; got {got}. {remedy}")
