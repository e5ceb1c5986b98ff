"""Takes a volume from memory, as strictly as from a file."""

from pathlib import Path
from typing import Any

import numpy as np

from bundle.errors import CaseError
from bundle.files.hashes import sha256_of
from bundle.tasks.task import Task
from bundle.volumes.image_volume import Volume
from bundle.volumes.intensities import check_intensities
from bundle.volumes.nifti_forms import place_affine


def array_volume(values: Any, affine: Any, case_id: str, modality: str, task: Task) -> Volume:
    """Check a volume that is in memory as strictly as one from a file.

    Args:
        values: (H, W, D), anything numpy can turn into numbers.
        affine: (4, 4), voxel to world in RAS+ mm.
        case_id: for messages.
        modality: for messages.
        task: says what is outside.

    Raises:
        CaseError: not a volume, no usable affine, or intensities that cannot be a scan.
    """
    with np.errstate(over="ignore"):  # what overflows is found as infinite
        data = np.array(values, np.float32)
    where = f"{case_id}, {modality}, array"
    matrix = np.asarray(np.eye(3) if affine is None else affine, np.float64)
    if data.ndim != 3 or min(data.shape) < 2:
        raise CaseError(
            "E_SHAPE", f"{where}: a volume must have 3 axes of 2 or more voxels; got {data.shape}."
        )
    if matrix.shape != (4, 4) or not np.isfinite(matrix).all() or abs(np.linalg.det(matrix)) < 1e-9:
        raise CaseError(
            "E_AFFINE",
            f"{where}: affine must be an invertible 4 x 4 matrix; got {affine!r}. Pass affine=.",
        )
    try:
        grid, grid_warnings = place_affine(matrix, (data.shape[0], data.shape[1], data.shape[2]))
        data, warnings = check_intensities(data, task=task)
    except CaseError as error:
        raise CaseError(error.code, f"{where}: {error}") from error
    return Volume(
        data,
        grid,
        Path("array"),
        sha256_of(data.tobytes()),
        grid_warnings + warnings,
    )
