"""Whether the volumes of a case are different scans on one grid, however each file orders its
axes.
"""

from collections.abc import Mapping
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from nibabel.orientations import apply_orientation
from numpy.typing import NDArray

from bundle.errors import CaseError
from bundle.plain_text import printable
from bundle.tasks.default import DEFAULT_TASK
from bundle.tasks.task import Task
from bundle.volumes.geometry import (
    GRID_TOLERANCE_VOXELS,
    Grid,
    axes_name,
    corner_shift_voxels,
    orientation_to,
    same_grid,
    spacing_mm,
)
from bundle.volumes.image_volume import Volume, read_channels, read_volume

Voxels = TypeVar("Voxels", bound=np.generic)


def check_distinct(volumes: Mapping[str, Volume], case_id: str) -> None:
    """Refuse one scan given as two modalities, also if it was compressed anew in between.

    The voxels decide, not the hashes: the channels of a 4D file share one.

    Raises:
        CaseError: E_DUPLICATE.
    """
    for (name_a, a), (name_b, b) in combinations(volumes.items(), 2):
        if np.array_equal(a.data, b.data):
            raise CaseError(
                "E_DUPLICATE",
                f"{case_id}: every modality must have its own scan; got the same voxels for"
                f" {name_a} ({printable(str(a.path))}) and {name_b} ({printable(str(b.path))})."
                " Give each modality its own file.",
            )


def on_one_grid(volumes: Mapping[str, Volume], case_id: str) -> dict[str, Volume]:
    """Bring modalities to the grid of the first, if they lie there but for the order and direction
    of their axes.

    Raises:
        CaseError: E_GRID, with both grids.
    """
    (first_name, first), *others = volumes.items()
    turned = {first_name: first}
    for name, volume in others:
        on_grid = _turned(volume, first.grid)
        if on_grid is None:
            raise CaseError(
                "E_GRID",
                f"{case_id}: all modalities must lie on one grid; got {first_name}"
                f" ({printable(str(first.path))}) with {_describe(first.grid)} and {name}"
                f" ({printable(str(volume.path))}) with"
                f" {_describe(volume.grid)}{_shift(first.grid, volume.grid)}. Register and resample"
                " them to one of them first: simmlm prepare does that.",
            )
        turned[name] = on_grid
    return turned


def read_input(
    entry: Mapping[str, Any],
    grid: Grid,
    *,
    case_id: str,
    modality: str,
    task: Task = DEFAULT_TASK,
) -> Volume:
    """Read again what a case's record says was read, onto the case's grid.

    Args:
        entry: ``file`` and, of a 4D file, ``channel`` and ``n_channels``.
        grid: of the case.
        case_id: for messages.
        modality: for messages.
        task: says what is outside.

    Raises:
        CaseError: as `read_volume`, or E_GRID if the file lies elsewhere by now.
    """
    path = Path(entry["file"])
    if "channel" in entry:
        place, n_volumes = {modality: entry["channel"]}, entry["n_channels"]
        volume = read_channels(path, place, n_volumes, case_id=case_id, task=task)[modality]
    else:
        volume = read_volume(path, case_id=case_id, modality=modality, task=task)
    turned = _turned(volume, grid)
    if turned is None:
        raise CaseError(
            "E_GRID",
            f"{case_id}, {modality}, {printable(str(path))}: the file must not change. Run again.",
        )
    return turned


def _turned(volume: Volume, grid: Grid) -> Volume | None:
    data = turned_voxels(volume.data, volume.grid, grid)
    if data is None:
        return None
    return replace(
        volume, data=data, grid=grid, warnings=volume.warnings + turning_warnings(volume.grid, grid)
    )


def turned_voxels(voxels: NDArray[Voxels], grid: Grid, target: Grid) -> NDArray[Voxels] | None:
    """Reorder voxels so that they lie as those of another grid; nothing is interpolated.

    Args:
        voxels: (H, W, D), on ``grid``.
        grid: where they lie.
        target: where they should lie.

    Returns:
        The voxels themselves if they lie there already, None if they lie elsewhere.
    """
    if same_grid(target, grid):
        return voxels
    turn = orientation_to(grid, target)
    if turn is None:
        return None
    return np.ascontiguousarray(apply_orientation(voxels, turn))  # type: ignore[no-untyped-call]


def turning_warnings(grid: Grid, target: Grid) -> tuple[str, ...]:
    """Say that voxels were reordered from one grid to another, if they were."""
    if same_grid(target, grid):
        return ()
    return (
        (
            f"stored along other axes than the first modality ({axes_name(grid.affine)}, not"
            f" {axes_name(target.affine)}): the same grid, reordered"
        ),
    )


def _describe(grid: Grid) -> str:
    shape = " x ".join(str(size) for size in grid.shape)
    spacing = " x ".join(f"{size:.4g}" for size in spacing_mm(grid.affine))
    return f"{shape} voxels of {spacing} mm{'' if grid.is_anchored else ' at an unknown position'}"


def _shift(a: Grid, b: Grid) -> str:
    if a.shape != b.shape:
        return ""
    shift = corner_shift_voxels(a.affine, b.affine, a.shape)
    return f", {shift:.2f} voxels apart at a corner (limit {GRID_TOLERANCE_VOXELS:g})"
