"""Reads again what was segmented, and nothing else: somebody may have replaced a file meanwhile."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bundle.errors import CaseError
from bundle.tasks.task import Task
from bundle.volumes.common_grid import read_input
from bundle.volumes.geometry import Grid


def read_images(
    inputs: Mapping[str, Mapping[str, Any]], grid: Grid, *, case_id: str, task: Task
) -> dict[str, NDArray[np.float32]]:
    """Read the images of a case, (H, W, D) each, as they are in their files.

    Args:
        inputs: as in a case's record, modality to file and SHA-256.
        grid: of the case.
        case_id: for messages.
        task: says what is outside.

    Raises:
        CaseError: E_CHANGED, a file is not what was segmented; or as ``read_input``.
    """
    return {
        modality: _read(entry, grid, case_id, modality, task) for modality, entry in inputs.items()
    }


def _read(
    entry: Mapping[str, Any], grid: Grid, case_id: str, modality: str, task: Task
) -> NDArray[np.float32]:
    volume = read_input(entry, grid, case_id=case_id, modality=modality, task=task)
    if volume.sha256 != entry["sha256"]:
        raise CaseError(
            "E_CHANGED",
            f"{case_id}, {modality}, {entry['file']}: the file must stay as it is until the case is"
            " done; it was changed meanwhile. Run the case again.",
        )
    return volume.data
