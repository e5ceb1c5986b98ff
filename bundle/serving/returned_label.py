"""Reads the label map that a server returned as strictly as any other, and saves it on the case's
own grid.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bundle.cases.label_map import LabelMap, read_label_map
from bundle.datasets.decathlon import Channel
from bundle.errors import CaseError
from bundle.files.atomic_file import check_writable
from bundle.files.json_file import write_json
from bundle.files.staged_folder import temporary_folder
from bundle.outputs.earlier_results import check_free, mark_finished, mark_unfinished, read_result
from bundle.tasks.numberings import Numbering
from bundle.tasks.task import Task
from bundle.volumes.geometry import Grid, corner_shift_voxels
from bundle.volumes.gzip_file import GzipReader, is_gzip, read_up_to
from bundle.volumes.image_volume import read_channels, read_volume
from bundle.volumes.nifti_output import write_volume

GRID_TOLERANCE_VOXELS = 0.01
"""What is left of an affine that went through ITK's origin, spacing and directions."""

_MAX_BYTES_PER_VOXEL = 8
_MAX_OTHER_BYTES = 2**20
_TOLERANCE_ML, _TOLERANCE = 0.01, 0.01  # of a volume, for what a server rounds


def case_grid(modality: str, image: Any, case_id: str, task: Task) -> Grid:
    """Read the grid of a case from one of its images.

    Raises:
        CaseError: the image cannot be used.
    """
    if isinstance(image, Channel):
        return read_channels(
            image.file, {modality: image.position}, image.n_volumes, case_id=case_id, task=task
        )[modality].grid
    return read_volume(Path(image), case_id=case_id, modality=modality, task=task).grid


def checked_label(
    content: bytes, numbering: Numbering, grid: Grid, case_id: str, task: Task
) -> LabelMap:
    """Read a label map that must lie on a grid.

    Args:
        content: what should be a ``.nii.gz``.
        numbering: that its values must have.
        grid: of the case.
        case_id: for messages.
        task: whose labels these are.

    Raises:
        CaseError: E_SERVER, it is damaged or holds other values; E_GRID, it lies elsewhere.
    """
    try:
        _check_expanded(content, grid)
        with temporary_folder() as folder:
            path = folder / "answer.nii.gz"
            path.write_bytes(content)
            label = _read(path, numbering.name, case_id, task)
    except CaseError as error:
        raise CaseError(
            "E_SERVER",
            f"Case {case_id}: the answer must be a .nii.gz image of labels in"
            f" {numbering.name} numbering; got: {error} See the server's log.",
        ) from None
    _check_place(label.grid, grid, case_id)
    return label


def differing_volumes(
    label: LabelMap, volumes_ml: Mapping[str, float], task: Task
) -> Iterator[str]:
    """Name the labels of which the label map holds another volume than the server says."""
    voxel_ml = abs(float(np.linalg.det(label.grid.affine[:3, :3]))) / 1000
    counts = np.bincount(label.values.ravel(), minlength=len(task.label_names))
    for value, name in task.label_names.items():
        found, said = float(counts[value] * voxel_ml), volumes_ml.get(name)
        if said is not None and abs(found - said) > _TOLERANCE_ML + _TOLERANCE * said:
            yield f"the label map holds {found:.2f} ml of {name}, but the server says {said:.2f} ml"


def check_answer_free(folder: Path, case_id: str, inputs: Mapping[str, Mapping[str, Any]]) -> None:
    """Refuse to save an answer where it would replace what is no earlier answer for the same
    images.

    Args:
        folder: of the case, need not exist.
        case_id: name of the case.
        inputs: modality to ``file`` and ``sha256``.

    Raises:
        CaseError: E_EXISTS, or E_CASE_ID for a name that the file system cannot hold.
    """
    names = _names(case_id)
    check_free(folder, case_id, inputs, needed=names, possible=names, overwrite=False)
    earlier = read_result(folder, case_id)
    if earlier is not None and "server" not in earlier:
        raise CaseError(
            "E_EXISTS",
            f"Case {case_id}: {folder} must not hold a result of `simmlm segment`, which has more"
            " maps than an answer can replace; it does. Choose another output folder.",
        )


def _names(case_id: str) -> tuple[str, str]:
    return f"{case_id}_seg.nii.gz", f"{case_id}.json"


def save_answer(
    folder: Path, case_id: str, label: NDArray[np.uint8], grid: Grid, facts: Mapping[str, Any]
) -> dict[str, Any]:
    """Write ``CASE_seg.nii.gz`` with the header of the case, and last ``CASE.json``.

    Args:
        folder: of the case.
        case_id: begins the names.
        label: (H, W, D), as it stands on disk.
        grid: of the case.
        facts: of the server, with ``labels`` of the label map and ``inputs`` as
            `check_answer_free` takes them.

    Returns:
        The facts as they were written.

    Raises:
        OutputError: the files cannot be written.
    """
    check_writable(folder)
    image, done = _names(case_id)
    written = {**facts, "maps": [image]}
    mark_unfinished(folder, case_id, [image, done], [image, done])
    (folder / done).unlink(missing_ok=True)  # it says that the label map beside it is complete
    write_volume(folder / image, label, grid, description="seg")
    write_json(folder / done, written)
    mark_finished(folder, case_id, facts["inputs"])
    return written


def _read(path: Path, numbering: str, case_id: str, task: Task) -> LabelMap:
    try:
        return read_label_map(path, case_id=case_id, declared=numbering, task=task)
    except CaseError as error:
        raise CaseError(error.code, str(error).replace(f"{path}", "answer")) from None


def _check_expanded(content: bytes, grid: Grid) -> None:
    """Refuse what is no gzip, and what would expand to more than the case has room for."""
    if not is_gzip(content):
        raise CaseError("E_SERVER", f"{len(content)} bytes of something else.")
    most = int(np.prod(grid.shape)) * _MAX_BYTES_PER_VOXEL + _MAX_OTHER_BYTES
    stream = GzipReader(content)
    while block := len(read_up_to(stream, min(_MAX_OTHER_BYTES, most + 1))):
        most -= block
        if most < 0:
            raise CaseError("E_SERVER", "more bytes than the case has room for.")


def _check_place(found: Grid, grid: Grid, case_id: str) -> None:
    shift = corner_shift_voxels(grid.affine, found.affine, grid.shape)
    if found.shape != grid.shape or not shift <= GRID_TOLERANCE_VOXELS:
        raise CaseError(
            "E_GRID",
            f"Case {case_id}: the label map must lie on the images, {grid.shape}, to"
            f" {GRID_TOLERANCE_VOXELS} voxels; got {found.shape}, {shift:.3f} voxels away. Check"
            " the server.",
        )
