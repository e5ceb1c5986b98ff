"""Read one MRI volume from a file, or say in one sentence why it cannot be used."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bundle.tasks.default import DEFAULT_TASK
from bundle.tasks.task import Task
from bundle.volumes.file_errors import naming
from bundle.volumes.geometry import Grid
from bundle.volumes.image_file import read_stored, read_stored_series
from bundle.volumes.intensities import check_intensities
from bundle.volumes.stored_volume import StoredVolume


@dataclass(frozen=True, eq=False)
class Volume:
    """One modality of one case, as read.

    Attributes:
        data: (H, W, D), finite, in the file's voxel order.
        sha256: of the bytes that were parsed; of header then voxels for an .hdr/.img pair.
        warnings: sentences for the report, without the case's name.
    """

    data: NDArray[np.float32]
    grid: Grid
    path: Path
    sha256: str
    warnings: tuple[str, ...]


def read_volume(path: Path, *, case_id: str, modality: str, task: Task = DEFAULT_TASK) -> Volume:
    """Read one MRI volume; the task says what is outside.

    Raises:
        CaseError: the file cannot be read, is damaged, or cannot be an MRI volume.
    """
    with naming(case_id, modality, path):
        return _checked(read_stored(path), path, task)


def read_channels(
    path: Path,
    channels: Mapping[str, int],
    n_volumes: int,
    *,
    case_id: str,
    task: Task = DEFAULT_TASK,
) -> dict[str, Volume]:
    """Read the MRI volumes of one 4D file, whose channels are known by name; the file is read once.

    Args:
        path: a file that holds exactly ``n_volumes``.
        channels: modality to its place among the volumes, from 0.
        n_volumes: how many the file must hold, named here or not.
        case_id: for messages.
        task: says what is outside.

    Raises:
        CaseError: as `read_volume`, or E_4D if the file holds another number of volumes.
    """
    with naming(case_id, " ".join(channels), path):
        stored = read_stored_series(path, n_volumes)
    volumes = {}
    for modality, index in channels.items():
        with naming(case_id, modality, path):
            volumes[modality] = _checked(stored[index], path, task)
    return volumes


def _checked(stored: StoredVolume, path: Path, task: Task) -> Volume:
    data, warnings = check_intensities(_scaled(stored), task=task)
    return Volume(data, stored.grid, path, stored.sha256, stored.warnings + warnings)


def _scaled(stored: StoredVolume) -> NDArray[np.float32]:
    """Apply slope and intercept in double precision without a double-precision copy."""
    data = np.empty_like(stored.voxels, dtype=np.float32)
    layout = stored.layout
    with np.errstate(over="ignore", invalid="ignore"):  # what overflows is found as infinite
        if not layout.is_scaled:
            np.copyto(data, stored.voxels, casting="unsafe")
        else:
            np.multiply(stored.voxels, layout.slope, out=data, dtype=np.float64, casting="unsafe")
            np.add(data, layout.intercept, out=data, dtype=np.float64, casting="unsafe")
    return data
