"""Brings the maps of a case onto the grid of the DICOM series."""

import numpy as np
from numpy.typing import NDArray

from bundle.outputs.case_result import CaseResult
from bundle.outputs.dicom.source_series import SourceSeries
from bundle.tasks.task import THRESHOLD, Task
from bundle.volumes.common_grid import turned_voxels
from bundle.volumes.geometry import Grid
from bundle.volumes.regridding import resampled_to


def label_on_series(result: CaseResult, series: SourceSeries, task: Task) -> NDArray[np.uint8]:
    """Return the label map on the series' grid: voxel by voxel where the case lies there.

    Elsewhere each region is interpolated on its own, and the regions are merged again, as for
    probabilities: so borders stay smooth, and none is shifted by half a voxel as by the nearest
    neighbour.

    Returns:
        (column, row, image) uint8, the task's values.
    """
    same = _reordered(result.label, result.record.grid, series)
    if same is not None:
        return same
    regions = task.labels_to_regions(result.label)
    moved = [
        resampled_to(series.grid, region, result.record.grid, series.moved_by) for region in regions
    ]
    return task.regions_to_labels(np.stack(moved) > THRESHOLD)


def map_on_series(
    values: NDArray[np.float32], grid: Grid, series: SourceSeries
) -> NDArray[np.float32]:
    """Return a map (H, W, D) as (column, row, image) on the series' grid, interpolated if need
    be.
    """
    same = _reordered(values, grid, series)
    return resampled_to(series.grid, values, grid, series.moved_by) if same is None else same


def _reordered(values: NDArray, grid: Grid, series: SourceSeries) -> NDArray | None:
    """Return voxels that lie on the series' grid but for the order of their axes, else None."""
    is_unmoved = np.allclose(series.moved_by, np.eye(4), rtol=0, atol=1e-9)
    return turned_voxels(values, grid, series.grid) if is_unmoved else None
