"""Bright spots that come with age and mean nothing: caps on the ventricles, foci in white
matter.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np

from bundle.phantoms.anatomy import Brain
from bundle.phantoms.lesion_kind import Layer, Mass, read_layers
from bundle.phantoms.section import Range, Section
from bundle.phantoms.shapes import Field, Grid, cover, ellipsoid


@dataclass(frozen=True)
class Ageing:
    """The spots of one case, the more of them the older it is.

    Attributes:
        layers: of the spots.
        caps_mm: how far the caps reach from the ventricles, in the youngest and the oldest.
        number: of foci, in the youngest and the oldest.
        radius_mm: of a focus, drawn for each axis.
    """

    layers: Mapping[str, Layer]
    caps_mm: Range
    number: Range
    radius_mm: Range

    @classmethod
    def read(cls, section: Section, labels: Collection[int]) -> Self:
        """Read the entry of a task.

        Raises:
            SetupError: E_TASK.
        """
        section.check_keys(["kind", "caps_mm", "number", "radius_mm", "layers"])
        return cls(
            layers=read_layers(section.section("layers"), ("spots",), labels),
            caps_mm=section.range("caps_mm", 0, 20),
            number=section.range("number", 0, 200),
            radius_mm=section.range("radius_mm", 0.5, 10),
        )

    def grow(self, rng: np.random.Generator) -> list[Mass]:  # noqa: ARG002 - as other kinds
        """Push nothing aside."""
        return []

    def draw(
        self,
        grid: Grid,
        rest: Field,  # noqa: ARG002 - as other kinds
        brain: Brain,
        masses: list[Mass],  # noqa: ARG002 - as other kinds
        rng: np.random.Generator,
    ) -> dict[str, Field]:
        """Draw caps and foci, in white matter only."""
        age = rng.beta(1.2, 2.0)
        reach = _between(self.caps_mm, age) * np.clip(1 + 0.5 * grid.noise(9, rng), 0, 2)
        caps = cover(brain.ventricles - reach.astype(np.float32), 3 * grid.soft_mm)
        foci = np.full(brain.depth.shape, np.inf, np.float32)
        for _ in range(round(_between(self.number, age))):
            place = rng.uniform((16, -65, 5), (45, 45, 45)) * (rng.choice((-1, 1)), 1, 1)
            foci = np.minimum(foci, ellipsoid(grid.points, place, rng.uniform(*self.radius_mm, 3)))
        spots = np.maximum((0.7 + 0.3 * age) * caps, cover(foci, 2 * grid.soft_mm))
        return {"spots": spots * brain.white}


def _between(ends: Range, age: float) -> float:
    return ends[0] + (ends[1] - ends[0]) * age
