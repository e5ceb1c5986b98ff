"""Refuses a case that cannot fit into memory before its voxels are read, with both numbers."""

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from bundle.datasets.decathlon import Channel
from bundle.errors import CaseError
from bundle.volumes.available_memory import available_bytes
from bundle.volumes.geometry import Grid, spacing_mm
from bundle.volumes.image_file import peek_header

# Fitted to the peaks of whole runs of `simmlm segment --set roi_size=[64,64,64]`, program included:
# 0.48 GB for 64 x 72 x 56 voxels of 1 mm, 0.90 for 240 x 240 x 155 with a third of them brain, 1.40
# with all of them, 1.10 for 120 x 120 x 80 of 2 mm, 4.51 for 512 x 512 x 192 of 0.45 x 0.45 x 1 mm,
# 5.91 for 480 x 480 x 310 of 0.5 mm. Larger windows take more. How many modalities there are does
# not show: it is the maps that peak, not the images.
_BASE = 60e6  # network and one window; the program itself is loaded by now
_PER_INPUT_VOXEL = 23.0
_PER_BRAIN_VOXEL = 84.0
_PER_RESAMPLED_VOXEL = 34.0
_PER_VOXEL_OF_INVERSION = 45.0

_BRAIN_SHARE = 1 / 3
"""Of a BraTS case. Larger ones exist, but a case that fits must never be refused."""

_ALMOST_1MM = 0.01
_GB = 1e9


def needed_bytes(grid: Grid) -> float:
    """Estimate what segmenting a case takes besides the program, at least.

    The network works at 1 mm in the brain's box; its maps, seven channels, come back to the case's
    own grid.
    """
    spacing = spacing_mm(grid.affine)
    n_voxels = math.prod(grid.shape)
    n_at_1mm = n_voxels * float(np.prod(spacing))
    needed = _BASE + _PER_INPUT_VOXEL * n_voxels + _PER_BRAIN_VOXEL * _BRAIN_SHARE * n_at_1mm
    if np.abs(spacing - 1).max() < _ALMOST_1MM:
        return needed
    return needed + _PER_RESAMPLED_VOXEL * n_at_1mm + _PER_VOXEL_OF_INVERSION * n_voxels


def check_memory(files: Mapping[str, Any], case_id: str) -> None:
    """Refuse a case whose grid needs more memory than there is.

    Of its files only the beginnings are read.

    Raises:
        CaseError: E_MEMORY.
    """
    available = available_bytes()
    if available is None:
        return
    grid = max(_grids(files.values()), key=needed_bytes, default=None)
    if grid is None or needed_bytes(grid) <= available:
        return
    size = " x ".join(f"{length}" for length in grid.shape)
    spacing = " x ".join(f"{length:.3g}" for length in spacing_mm(grid.affine))
    raise CaseError(
        "E_MEMORY",
        f"{case_id}: to segment {size} voxels of {spacing} mm about {needed_bytes(grid) / _GB:.1f}"
        f" GB of memory must be free; got {available / _GB:.1f} GB. Close other programs or use a"
        f" machine with more, or {_smaller(grid)}.",
    )


def _smaller(grid: Grid) -> str:
    if spacing_mm(grid.affine).min() > 1 - _ALMOST_1MM:
        return "crop the images to the head"
    return (
        'resample all images of the case to 1 mm: python -c "import nibabel as n; from'
        " nibabel.processing import resample_to_output as r; n.save(r(n.load('in.nii.gz'), 1),"
        " 'out.nii.gz')\""
    )


def _grids(values: Iterable[Any]) -> Iterable[Grid]:
    """Return the grids that files declare; what is wrong with a file is said when it is read."""
    for value in values:
        path = value.file if isinstance(value, Channel) else value
        if isinstance(path, str | Path):
            try:
                yield peek_header(Path(path)).grid
            except (CaseError, OSError, ValueError):
                continue
