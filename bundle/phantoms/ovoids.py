"""Lesions of a few millimetres, egg-shaped, many of them, that push nothing aside."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from bundle.phantoms.anatomy import Brain
from bundle.phantoms.lesion_kind import Layer, Mass, read_layers
from bundle.phantoms.section import Range, Section
from bundle.phantoms.shapes import Field, Grid, cover

PLACES = ("ventricles", "white", "anywhere")
"""Around the ventricles, in the white matter, in the brain but not in its ventricles."""

_VENTRICLES_MM = 9.0
_BUMPS_MM = 5
_VOXELS = 0.9  # radius of the smallest lesion that a grid can show


@dataclass(frozen=True)
class Ovoids:
    """The lesions of one case; their long axes point away from the ventricles, as veins do.

    Attributes:
        layers: of the lesions.
        number: how many there are in a case.
        radius_mm: across the long axis, small ones more often; at least what the voxels can show.
        elongation: length over width.
        places: share of the lesions at each of `PLACES` that is named.
    """

    layers: Mapping[str, Layer]
    number: Range
    radius_mm: Range
    elongation: Range
    places: Mapping[str, float]

    @classmethod
    def read(cls, section: Section, labels: Collection[int]) -> Self:
        """Read the entry of a task.

        Raises:
            SetupError: E_TASK.
        """
        section.check_keys(["kind", "number", "radius_mm", "elongation", "places", "layers"])
        places = section.section("places")
        places.check_keys([], PLACES)
        shares = {place: places.number(place, 0, 1) for place in places.content}
        if not sum(shares.values()):
            raise section.error("places", "must have a share above 0", places.content)
        return cls(
            layers=read_layers(section.section("layers"), ("body",), labels),
            number=section.range("number", 0, 500),
            radius_mm=section.range("radius_mm", 0.5, 20),
            elongation=section.range("elongation", 1, 4),
            places=shares,
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
        """Draw the lesions, each in the tissue of its place."""
        bumps = np.clip(1 + np.float32(0.15) * grid.noise(_BUMPS_MM, rng), 0.6, 1.4)
        outwards = np.array(np.gradient(brain.ventricles))
        tissues = [_tissue(place, brain) for place in self.places]
        centres = [
            _centres(place, tissue, grid, brain)
            for place, tissue in zip(self.places, tissues, strict=True)
        ]
        shares = np.array(list(self.places.values()))
        low, high = self.number
        body = np.zeros_like(brain.depth)
        for _ in range(rng.integers(round(low), round(high), endpoint=True)):
            place = rng.choice(len(shares), p=shares / shares.sum())
            voxel = tuple(centres[place][rng.integers(len(centres[place]))])
            width, length = self._size(grid, rng)
            box = _box(voxel, 1.6 * float(length) * grid.scale)
            norm = _norm(grid, voxel, box, outwards[:, *voxel], width, length)
            share = cover((norm - bumps[box]) * width, 1.5 * grid.soft_mm) * tissues[place][box]
            body[box] = np.maximum(body[box], share)
        return {"body": body}

    def _size(self, grid: Grid, rng: np.random.Generator) -> tuple[np.float32, np.float32]:
        """Draw the radii across and along the axis, mm."""
        low, high = self.radius_mm
        width = max(low * (high / low) ** rng.uniform(), _VOXELS / grid.scale)
        return np.float32(width), np.float32(width * rng.uniform(*self.elongation))


def _tissue(place: str, brain: Brain) -> Field:
    """Return the share of each voxel that lesions of a place may take."""
    if place == "anywhere":
        return cover(np.maximum(1 - brain.depth, 0.5 - brain.ventricles), 1)
    return brain.tracts


def _centres(place: str, tissue: Field, grid: Grid, brain: Brain) -> NDArray[np.intp]:
    """List the voxels (N, 3) where lesions of a place may have their centres."""
    pure = (tissue > 0.99) & (brain.depth > 2)
    if place == "ventricles":
        pure &= (brain.ventricles > 0) & (brain.ventricles < max(_VENTRICLES_MM, 2 / grid.scale))
    return np.argwhere(pure if pure.any() else tissue == tissue.max())


def _box(voxel: tuple[int, ...], reach: float) -> tuple[slice, ...]:
    half = int(reach) + 3
    return tuple(slice(max(int(n) - half, 0), int(n) + half + 1) for n in voxel)


def _norm(
    grid: Grid,
    voxel: tuple[int, ...],
    box: tuple[slice, ...],
    axis: NDArray[np.float32],
    width: np.float32,
    length: np.float32,
) -> Field:
    """Return the distance to a voxel in radii of the ovoid around it, for the voxels of a box."""
    steps = [np.arange(n)[part] - m for n, part, m in zip(grid.shape, box, voxel, strict=True)]
    offset = np.array(np.meshgrid(*steps, indexing="ij"), np.float32) / np.float32(grid.scale)
    unit = axis / max(np.linalg.norm(axis), np.float32(1e-6))
    along = np.einsum("i,i...->...", unit, offset)
    across = np.maximum((offset**2).sum(0) - along**2, 0)
    return np.sqrt((along / length) ** 2 + across / width**2)
