"""A scan in several resolutions, and the points at which two scans are compared.

Where two voxel grids coincide, interpolation blurs nothing, and in between it does: a comparison
on the voxels of one of them is drawn to such places. The points here lie on a grid of their own,
turned against both, so that both scans are interpolated everywhere alike. They are all used:
nothing is drawn by chance, and a registration gives the same bytes whenever it is run.
"""

from dataclasses import dataclass, field
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt
from scipy.spatial.transform import Rotation

from bundle.registration.itk import Image, Transform, sitk
from bundle.registration.world import to_array, to_itk
from bundle.volumes.image_volume import Volume

MASK_MM = 4.0
MARGIN_MM = 6.0
"""Around the foreground, where a scan is compared too: that the air fits the air tells as much."""

_TILT_DEGREES = (7.0, -5.6, 4.2)
_BRIGHTEST = 98.0
_SAMPLED = 2**18


@dataclass(eq=False)
class Pyramid:
    """A scan, smoothed for several resolutions; each is made once.

    Args:
        volume: with a position.
    """

    volume: Volume
    _smoothed: dict[float, Image] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.image = to_itk(self.volume.data, self.volume.grid.affine)
        self.mask = self._foreground()
        inside = np.argwhere(to_array(self.mask) == 1)
        self.points = _world(self.mask, inside[:: max(1, len(inside) // 2000)])
        """(N, 3), some of the foreground, world, RAS+ mm."""

    @property
    def centre(self) -> NDArray[np.float64]:
        """(3,), the middle of the foreground, world, RAS+ mm."""
        middle: NDArray[np.float64] = self.points.mean(axis=0)
        return middle

    def smoothed(self, size_mm: float) -> Image:
        """Return the scan without details smaller than a size, on voxels of that size."""
        if size_mm not in self._smoothed:
            self._smoothed[size_mm] = _on_voxels(_blurred(self.image, size_mm), size_mm)
        return self._smoothed[size_mm]

    def comparison_grid(self, spacing_mm: float) -> tuple[Image, Image]:
        """Return an empty image around the foreground, turned, and on it what is compared."""
        size, corners = self.mask.GetSize(), product((0, 1), repeat=3)
        places = np.array(
            [
                self.mask.TransformContinuousIndexToPhysicalPoint(
                    [float(c * (n - 1)) for c, n in zip(corner, size, strict=True)]
                )
                for corner in corners
            ]
        )
        turn = Rotation.from_euler("xyz", _TILT_DEGREES, degrees=True).as_matrix()
        low, high = (places @ turn).min(axis=0), (places @ turn).max(axis=0)
        sizes = np.ceil((high - low) / spacing_mm).astype(int) + 1
        grid = sitk.Image(sizes.tolist(), sitk.sitkUInt8)
        grid.SetSpacing([spacing_mm] * 3)
        grid.SetDirection(turn.ravel().tolist())
        grid.SetOrigin((turn @ low).tolist())
        near = sitk.Cast(self.mask > 0, sitk.sitkUInt8)
        return grid, resampled(near, grid, nearest=True)

    def _foreground(self) -> Image:
        """Mark the foreground by 1 and what is near it by 2, on coarse voxels, cut to size."""
        coarse = self.smoothed(MASK_MM)
        values = to_array(coarse)
        inside = values > _threshold(values) / 2
        depth = distance_transform_edt(~inside, sampling=coarse.GetSpacing())
        marked = np.where(inside, 1, np.where(depth <= MARGIN_MM, 2, 0)).astype(np.uint8)
        mask = sitk.GetImageFromArray(np.ascontiguousarray(marked.transpose(2, 1, 0)))
        mask.CopyInformation(coarse)
        spans = [np.flatnonzero(marked.any(axis=axes)) for axes in ((1, 2), (0, 2), (0, 1))]
        cut: Image = mask[tuple(slice(int(s[0]), int(s[-1]) + 1) for s in spans)]
        return cut


def resampled(
    image: Image,
    grid: Image,
    transform: Transform | None = None,
    *,
    nearest: bool = False,
) -> Image:
    """Bring an image onto a grid, by one thread: 0 where it has no voxels."""
    resampling = sitk.ResampleImageFilter()
    resampling.SetNumberOfThreads(1)
    resampling.SetReferenceImage(grid)
    resampling.SetInterpolator(sitk.sitkNearestNeighbor if nearest else sitk.sitkLinear)
    resampling.SetOutputPixelType(image.GetPixelID())
    if transform is not None:
        resampling.SetTransform(transform)
    return resampling.Execute(image)


def _blurred(image: Image, size_mm: float) -> Image:
    """Blur each axis as voxels of a size would, as far as its own are not that large."""
    for axis, spacing in enumerate(image.GetSpacing()):
        sigma = 0.5 * np.sqrt(max(size_mm**2 - spacing**2, 0.0))
        if sigma > 0 and image.GetSize()[axis] >= 4:  # the least that ITK's filter takes
            blur = sitk.RecursiveGaussianImageFilter()
            blur.SetNumberOfThreads(1)
            blur.SetDirection(axis)
            blur.SetSigma(float(sigma))
            image = blur.Execute(image)
    return image


def _on_voxels(image: Image, size_mm: float) -> Image:
    """Take fewer voxels of a blurred image, along its own axes, with the same middle."""
    size, own = np.array(image.GetSize()), np.array(image.GetSpacing())
    spacing = np.maximum(own, size_mm)
    sizes = np.maximum(np.round(size * own / spacing), 1).astype(int)
    first = (size - 1) / 2 - (sizes - 1) / 2 * spacing / own
    grid = sitk.Image(sizes.tolist(), sitk.sitkUInt8)
    grid.SetSpacing(spacing.tolist())
    grid.SetDirection(image.GetDirection())
    grid.SetOrigin(image.TransformContinuousIndexToPhysicalPoint(first.tolist()))
    return resampled(image, grid)


def _threshold(values: NDArray[np.float32]) -> float:
    """Return what divides dark from bright best, after Otsu; the very brightest do not count."""
    sample = values.ravel()[:: values.size // _SAMPLED + 1]
    low, high = float(sample.min()), float(np.percentile(sample[sample > sample.min()], _BRIGHTEST))
    counts, edges = np.histogram(np.clip(sample, low, high), 128)
    middles = (edges[1:] + edges[:-1]) / 2
    below = np.cumsum(counts)[:-1]
    above = counts.sum() - below
    sums = np.cumsum(counts * middles)
    with np.errstate(divide="ignore", invalid="ignore"):
        gap = sums[:-1] / below - (sums[-1] - sums[:-1]) / above
    between = np.nan_to_num(below * above * gap**2)
    return float(edges[1 + int(np.argmax(between))])


def _world(image: Image, indices: NDArray[np.int64]) -> NDArray[np.float64]:
    direction = np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing()
    lps = indices @ direction.T + np.array(image.GetOrigin())
    return lps * [-1.0, -1.0, 1.0]
