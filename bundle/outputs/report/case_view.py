"""A result as its report shows it, whether it was just computed or is read again."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bundle.tasks.task import Task
from bundle.volumes.plane_views import PlaneView, Volume, plane_views

SEGMENTATION, ENTROPY = "seg", "entropy"


@dataclass(frozen=True, eq=False)
class CaseView:
    """What there is of a case.

    Attributes:
        facts: as in ``CASE.json``.
        images: acquired modality to (H, W, D) raw intensities; those that are at hand.
        maps: (H, W, D) each: ``seg`` with the task's values, ``entropy`` in bits,
            ``weight-MODALITY`` in [0, 1], and others by their names.
        affine: (4, 4), voxel to world, RAS+ mm.
        task: of the network.
        without_images: why images of acquired modalities are not shown; a sentence.
    """

    facts: Mapping[str, Any]
    images: Mapping[str, Volume]
    maps: Mapping[str, Volume]
    affine: NDArray[Any]
    task: Task
    without_images: str = ""

    @property
    def case_id(self) -> str:
        """Name of the case."""
        return str(self.facts["case_id"])

    @cached_property
    def planes(self) -> dict[str, PlaneView]:
        """Slices through most of what was found."""
        return plane_views(self.images, self.maps, self.affine, self.task.is_inside)

    @cached_property
    def inside(self) -> NDArray[np.bool_]:
        """Where something was imaged, (H, W, D); of maps alone, where one is not 0."""
        masks = [self.task.is_inside(image) for image in self.images.values()]
        masks = masks or [values != 0 for values in self.maps.values()]
        return np.logical_or.reduce(masks) | (self.maps[SEGMENTATION] != 0)

    @property
    def shown_modality(self) -> str | None:
        """The modality on which most is seen; None without images."""
        return next((name for name in self.task.shown_first if name in self.images), None)

    @property
    def focus_mm(self) -> list[float]:
        """Where the planes of the pictures cross: world, RAS+ mm."""
        found = self.maps[SEGMENTATION] != 0
        counted = found if found.any() else self.inside
        voxel = [int(counted.sum(axis=tuple({0, 1, 2} - {axis})).argmax()) for axis in range(3)]
        place: list[float] = (self.affine @ [*voxel, 1])[:3].tolist()
        return place
