"""Masks of the brain: from a user's file, checked, and brought from one grid to another."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import affine_transform

from bundle.errors import CaseError
from bundle.volumes.common_grid import turned_voxels
from bundle.volumes.file_errors import naming
from bundle.volumes.geometry import Affine, Grid
from bundle.volumes.image_file import read_stored
from bundle.volumes.image_volume import Volume
from bundle.volumes.stored_volume import StoredVolume

Mask = NDArray[np.bool_]

PLAUSIBLE_LITRES = (0.8, 2.0)
"""Brain with the fluid around it, of children and of adults, with some room."""


def load_brain_mask(
    path: Path, volumes: Mapping[str, Volume], *, case_id: str
) -> tuple[Mask, str, tuple[str, ...]]:
    """Read a mask that lies on the grid of one of an exam's scans, however its axes are ordered.

    Args:
        path: an image of two values, of which 0 is outside.
        volumes: of the exam, by name of the modality, as they were acquired.
        case_id: for messages.

    Returns:
        (H, W, D) on the grid of the modality that is named next, and warnings.

    Raises:
        CaseError: E_BRAIN_MASK, it is no mask, has nothing in or outside of it, or lies on no
            modality's grid; or as `bundle.volumes.image_volume.read_volume`.
    """
    with naming(case_id, "brain mask", path):
        stored = read_stored(path)
        values = _scaled(stored)
        inside = values != 0
        others = np.unique(values[inside])
        if others.size > 1 or not np.isfinite(others).all():
            raise CaseError(
                "E_BRAIN_MASK",
                "a brain mask must have two values, 0 outside and one inside; got 0 and"
                f" {', '.join(f'{value:g}' for value in others[:3])}"
                f"{' and others' if others.size > 3 else ''}. Give the mask, not an image or a"
                " map of tissues.",
            )
        warnings = check_brain(inside, stored.grid, "the mask")
        for modality, volume in volumes.items():
            mask = turned_voxels(inside, stored.grid, volume.grid)
            if mask is not None:
                return mask, modality, warnings  # of the grid the scan itself warns
        raise CaseError(
            "E_BRAIN_MASK",
            f"a brain mask must lie on the grid of {' or '.join(volumes)}; got"
            f" {' x '.join(map(str, stored.grid.shape))} voxels elsewhere. Resample it to the scan"
            " that it was drawn on, with nearest neighbour.",
        )


def check_brain(mask: Mask, grid: Grid, what: str) -> tuple[str, ...]:
    """Refuse a mask that cuts out nothing or everything; warn of one that no brain can have.

    Args:
        mask: (H, W, D), on the grid.
        grid: where its voxels lie.
        what: names the mask in messages, such as ``the mask``.

    Raises:
        CaseError: E_BRAIN_MASK.
    """
    share = float(mask.mean())
    if share in (0.0, 1.0):
        raise CaseError(
            "E_BRAIN_MASK",
            f"{what} must have voxels inside and outside; got {share:.0%} inside. Look at the"
            " scan, and give a mask that covers the brain.",
        )
    litres = volume_litres(mask, grid)
    least, most = PLAUSIBLE_LITRES
    if least <= litres <= most:
        return ()
    return (
        (
            f"{what} has {litres:.2f} l, and a brain {least:g} to {most:g} l: look whether it"
            " covers the brain and nothing else, or whether the scan shows all of the head"
        ),
    )


def volume_litres(mask: Mask, grid: Grid) -> float:
    """Measure what a mask (H, W, D) holds."""
    return float(np.count_nonzero(mask) * abs(np.linalg.det(grid.affine[:3, :3])) / 1e6)


def mask_on_grid(mask: Mask, grid: Grid, target: Grid, *, moved_by: Affine | None = None) -> Mask:
    """Bring a mask from one grid to another by nearest neighbour.

    Args:
        mask: (H, W, D), on ``grid``.
        grid: where its voxels lie.
        target: where the voxels of the result lie; what is beyond ``grid`` is outside.
        moved_by: (4, 4), world to world in mm: where a point of ``grid`` lies in the world of
            ``target``, if the two were registered; None if they share one.

    Returns:
        (H, W, D) of the target.
    """
    move = np.eye(4) if moved_by is None else moved_by
    to_source = np.linalg.inv(move @ grid.affine) @ target.affine
    values = affine_transform(
        mask.astype(np.uint8),
        to_source[:3, :3],
        offset=to_source[:3, 3],
        output_shape=target.shape,
        order=0,
    )
    moved: Mask = values > 0
    return moved


def _scaled(stored: StoredVolume) -> NDArray:
    if not stored.layout.is_scaled:
        return stored.voxels
    with np.errstate(over="ignore", invalid="ignore"):  # has more than two values then
        return stored.voxels * np.float64(stored.layout.slope) + stored.layout.intercept
