"""One region of a prediction beside that of the truth: overlap, surfaces, volumes."""

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from monai.metrics import compute_hausdorff_distance, compute_surface_dice
from numpy.typing import NDArray
from torch import Tensor

TOLERANCE_MM = 1.0
_SPACING_DIGITS = 4
"""Of the spacing in mm: at 1.0000002, as headers have it, surfaces one voxel apart would be beyond
the tolerance.
"""

Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class RegionPair:
    """A predicted and a true region on one grid. What touches the border has a surface there.

    Attributes:
        predicted: (H, W, D).
        truth: (H, W, D).
        spacing_mm: of the voxels, three numbers.
        grid_shape: voxels along each axis of the grid, if both were cut out of it; theirs if None.
    """

    predicted: Mask
    truth: Mask
    spacing_mm: Sequence[float]
    grid_shape: Sequence[int] | None = None

    @cached_property
    def n_predicted(self) -> int:
        """Voxels of the prediction."""
        return int(self.predicted.sum())

    @cached_property
    def n_true(self) -> int:
        """Voxels of the truth."""
        return int(self.truth.sum())

    @cached_property
    def n_both(self) -> int:
        """Voxels that prediction and truth have in common."""
        return int((self.predicted & self.truth).sum())

    @property
    def voxel_ml(self) -> float:
        """Volume of a voxel."""
        return math.prod(self.spacing_mm) / 1000

    @property
    def diagonal_mm(self) -> float:
        """Length of the grid's diagonal: no distance on the grid is larger."""
        sizes_mm = np.multiply(self.grid_shape or self.truth.shape, self.spacing_mm)
        return math.hypot(*sizes_mm.tolist())

    def dice(self) -> float:
        """Overlap, 0 to 1; one of both must not be empty."""
        return 2 * self.n_both / (self.n_predicted + self.n_true)

    def sensitivity(self) -> float:
        """Share of the truth that was found; NaN without truth."""
        return self.n_both / self.n_true if self.n_true else math.nan

    def precision(self) -> float:
        """Share of the prediction that is true; NaN without prediction."""
        return self.n_both / self.n_predicted if self.n_predicted else math.nan

    def volume_error_ml(self) -> float:
        """Predicted less true volume."""
        return (self.n_predicted - self.n_true) * self.voxel_ml

    def true_ml(self) -> float:
        """Volume of the truth."""
        return self.n_true * self.voxel_ml

    def predicted_ml(self) -> float:
        """Volume of the prediction."""
        return self.n_predicted * self.voxel_ml

    def hd95_mm(self) -> float:
        """95th percentile of the distances between the surfaces; neither must be empty."""
        predicted, truth = self._cropped
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # MONAI calls its own deprecated arguments
            distance = compute_hausdorff_distance(
                predicted, truth, include_background=True, percentile=95, spacing=self._rounded_mm
            )
        return float(distance)

    def surface_dice(self) -> float:
        """Share of both surfaces within 1 mm of the other; neither must be empty."""
        predicted, truth = self._cropped
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            share = compute_surface_dice(
                predicted,
                truth,
                [TOLERANCE_MM],
                include_background=True,
                spacing=self._rounded_mm,
                use_subvoxels=True,
            )
        return float(share)

    @property
    def _rounded_mm(self) -> list[float]:
        return [round(float(value), _SPACING_DIGITS) for value in self.spacing_mm]

    @cached_property
    def _cropped(self) -> tuple[Tensor, Tensor]:
        """Both regions in their common box, (1, 1, h, w, d), as MONAI takes them."""
        box = box_of(self.predicted | self.truth)
        return _one_hot(self.predicted[box]), _one_hot(self.truth[box])


def box_of(mask: Mask) -> tuple[slice, ...]:
    """Return the smallest box around what is True, which something must be.

    MONAI adds a margin to what it gets, at the grid's border too.
    """
    box = []
    for axis in range(mask.ndim):
        others = tuple(other for other in range(mask.ndim) if other != axis)
        places = np.flatnonzero(mask.any(axis=others))
        box.append(slice(int(places[0]), int(places[-1]) + 1))
    return tuple(box)


def _one_hot(mask: Mask) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(mask))[None, None].float()
