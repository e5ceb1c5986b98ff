"""Lesions with a core, a rim and a halo that push tissue aside: where they grow and how far they
reach.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from bundle.phantoms.anatomy import Brain, cerebrum
from bundle.phantoms.lesion_kind import Layer, Mass, read_layers
from bundle.phantoms.section import Range, Section
from bundle.phantoms.shapes import Field, Grid, cover

_PARTS = ("halo", "core", "rim")
_NOISE_MM = (22, 9, 4)
_SOLID_MM = 99.0
_SECOND_RIM_MM = 3.0


@dataclass(frozen=True)
class Masses:
    """One main mass, and sometimes a small second one of the same kind.

    Attributes:
        layers: of halo, core and rim, painted in this order.
        radius_mm: of the main core.
        rim_mm: mean thickness of the rim, where there is one.
        without_rim: share of cases.
        solid: share of cases whose rim fills the core.
        second: share of cases that have a second mass.
        second_radius_mm: of its core.
        push: how much the cores push tissue aside, 0 to 0.5.
    """

    layers: Mapping[str, Layer]
    radius_mm: Range
    rim_mm: Range
    without_rim: float
    solid: float
    second: float
    second_radius_mm: Range
    push: float

    @classmethod
    def read(cls, section: Section, labels: Collection[int]) -> Self:
        """Read the entry of a task.

        Raises:
            SetupError: E_TASK.
        """
        numbers = ("radius_mm", "rim_mm", "without_rim", "solid", "second", "second_radius_mm")
        section.check_keys(["kind", *numbers, "push", "layers"])
        return cls(
            layers=read_layers(section.section("layers"), _PARTS, labels),
            radius_mm=section.range("radius_mm", 1, 40),
            rim_mm=section.range("rim_mm", 0.5, 40),
            without_rim=section.number("without_rim", 0, 1),
            solid=section.number("solid", 0, 1),
            second=section.number("second", 0, 1),
            second_radius_mm=section.range("second_radius_mm", 1, 40),
            push=section.number("push", 0, 0.5),
        )

    def grow(self, rng: np.random.Generator) -> list[Mass]:
        """Choose place, size and form of one mass or two."""
        kind = rng.uniform()
        radius = rng.uniform(*self.radius_mm)
        rim = self._rim(kind, rng)
        masses = [self._mass(rng, radius, rim)]
        if rng.uniform() < self.second:
            radius = rng.uniform(*self.second_radius_mm)
            masses.append(self._mass(rng, radius, min(rim, _SECOND_RIM_MM)))
        return masses

    def draw(
        self,
        grid: Grid,
        rest: Field,
        brain: Brain,
        masses: list[Mass],
        rng: np.random.Generator,
    ) -> dict[str, Field]:
        """Draw the masses, not outside the brain, in the other hemisphere or in ventricles."""
        noises = [grid.noise(size_mm, rng) for size_mm in _NOISE_MM]
        tracts = brain.tracts
        halo = core = rim = np.zeros_like(brain.depth)
        for mass in masses:
            side = np.float32(np.sign(mass.centre[0]))
            forbidden = np.maximum.reduce(
                [2.5 - brain.depth, 1.5 - side * rest[0], 0.8 - brain.ventricles]
            )
            edge = _core_distance(grid.points, mass, noises)
            bounded = np.maximum(edge, forbidden)
            core = np.maximum(core, cover(bounded, grid.soft_mm))
            rim = np.maximum(rim, _rim_cover(bounded, mass, noises, grid.soft_mm))
            reach = edge - mass.halo_mm * np.clip(
                0.7 + 0.45 * noises[0] + 0.12 * noises[1], 0.15, 1.4
            )
            halo = np.maximum(halo, cover(np.maximum(reach, forbidden), 3 * grid.soft_mm) * tracts)
        return {"halo": halo, "core": core, "rim": rim}

    def _rim(self, kind: float, rng: np.random.Generator) -> float:
        if kind < self.without_rim:
            return 0.0
        if kind < self.without_rim + self.solid:
            return _SOLID_MM
        return rng.uniform(*self.rim_mm)

    def _mass(self, rng: np.random.Generator, radius_mm: float, rim_mm: float) -> Mass:
        turn, _ = np.linalg.qr(rng.standard_normal((3, 3)))
        lengths = np.exp(rng.normal(0, 0.18, 3))
        return Mass(
            centre=_random_place(rng, radius_mm),
            stretch=(turn / (lengths / lengths.prod() ** (1 / 3))).astype(np.float32),
            radius_mm=radius_mm,
            rim_mm=rim_mm,
            patchiness=rng.uniform(0.15, 0.85) if rim_mm < radius_mm else 0.0,
            halo_mm=rng.triangular(
                3, 5, min(5 + 2 * radius_mm, 14) if rim_mm == 0 else min(8 + 3 * radius_mm, 38)
            ),
            push=self.push,
        )


def _random_place(rng: np.random.Generator, radius_mm: float) -> NDArray[np.float32]:
    places = rng.uniform((16, -78, -26), (52, 50, 56), (400, 3)).astype(np.float32).T
    fits = (-cerebrum(places) > 0.75 * radius_mm + 5) & (places[0] > 0.7 * radius_mm + 5)
    place = places[:, np.argmax(fits)]
    place[0] *= rng.choice((-1, 1))
    return place


def _core_distance(points: Field, mass: Mass, noises: list[Field]) -> Field:
    offset = points - mass.centre.reshape(3, 1, 1, 1)
    length = np.sqrt((np.einsum("ij,j...->i...", mass.stretch, offset) ** 2).sum(0))
    bumps = 0.10 * noises[0] + 0.13 * noises[1] + 0.05 * noises[2]
    return length - mass.radius_mm * np.clip(1 + bumps, 0.5, 1.6)


def _rim_cover(core: Field, mass: Mass, noises: list[Field], soft_mm: float) -> Field:
    if mass.rim_mm == 0:
        return np.zeros_like(core)
    thickness = mass.rim_mm * (1 + mass.patchiness * noises[1])
    return cover(np.maximum(core, -thickness - core), soft_mm) * np.clip(thickness, 0, 1)
