"""Shapes of tumours: where they grow, how far they reach, and which label each voxel gets."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bundle.phantoms.anatomy import Brain, cerebrum
from bundle.phantoms.shapes import Field, Grid, cover

_NOISE_MM = (22, 9, 4)


@dataclass(frozen=True)
class Lesion:
    """One tumour, in mm of an adult brain.

    Attributes:
        centre: x, y, z.
        stretch: (3, 3), turns an offset from the centre into one whose length is compared with the
            radius.
        radius_mm: of the core.
        rim_mm: mean thickness of what enhances; 0 for a tumour that does not, above radius_mm for a
            solid one.
        patchiness: 0 for a rim of even thickness; around 1 it is interrupted.
        oedema_mm: reach of the oedema beyond the core.
    """

    centre: NDArray[np.float32]
    stretch: NDArray[np.float32]
    radius_mm: float
    rim_mm: float
    patchiness: float
    oedema_mm: float


@dataclass(frozen=True)
class Tumour:
    """Coverage in 0..1 of the three tissues, to be painted in the order oedema, core, enhancing."""

    oedema: Field
    core: Field
    enhancing: Field

    def label(self) -> NDArray[np.uint8]:
        """Return exclusive labels, by the tissue that fills most of the voxel."""
        label = np.where(self.oedema > 0.5, np.uint8(2), np.uint8(0))
        label[self.core > 0.5] = 1
        label[(self.core > 0.5) & (self.enhancing > 0.5)] = 3
        return label


def random_lesions(rng: np.random.Generator) -> list[Lesion]:
    """Choose one main lesion and sometimes a small second one of the same kind."""
    kind = rng.uniform()
    radius = rng.uniform(5, 22)
    rim = 0.0 if kind < 0.18 else 99.0 if kind < 0.25 else rng.uniform(2.5, 6.5)
    lesions = [_random_lesion(rng, radius, rim)]
    if rng.uniform() < 0.2:
        lesions.append(_random_lesion(rng, rng.uniform(4, 7), min(rim, 3.0)))
    return lesions


def push_aside(points: Field, lesions: list[Lesion]) -> Field:
    """Return the place (3, H, W, D) that the tissue of each voxel had before the cores grew."""
    rest = points
    for lesion in lesions:
        offset = rest - lesion.centre.reshape(3, 1, 1, 1)
        squared = (offset**2).sum(0) / np.float32((1.7 * lesion.radius_mm) ** 2)
        rest = rest - offset * (np.float32(0.45) * np.exp(-squared))
    return rest


def draw_tumour(
    grid: Grid, rest: Field, brain: Brain, lesions: list[Lesion], rng: np.random.Generator
) -> Tumour:
    """Draw all lesions of a case.

    Args:
        grid: where each voxel lies.
        rest: (3, H, W, D) mm, from ``push_aside``.
        brain: decides where tumours cannot be: outside, in the other hemisphere, in ventricles.
        lesions: at least one.
        rng: settles their irregular outlines.
    """
    noises = [grid.noise(size_mm, rng) for size_mm in _NOISE_MM]
    tracts = np.clip(brain.white * 1.6 - 0.2, 0, 1)
    oedema, core, enhancing = (np.zeros_like(brain.depth) for _ in range(3))
    for lesion in lesions:
        side = np.float32(np.sign(lesion.centre[0]))
        forbidden = np.maximum.reduce(
            [2.5 - brain.depth, 1.5 - side * rest[0], 0.8 - brain.ventricles]
        )
        edge = _core_distance(grid.points, lesion, noises)
        bounded = np.maximum(edge, forbidden)
        core = np.maximum(core, cover(bounded, grid.soft_mm))
        enhancing = np.maximum(enhancing, _rim(bounded, lesion, noises, grid.soft_mm))
        reach = edge - lesion.oedema_mm * np.clip(
            0.7 + 0.45 * noises[0] + 0.12 * noises[1], 0.15, 1.4
        )
        oedema = np.maximum(oedema, cover(np.maximum(reach, forbidden), 3 * grid.soft_mm) * tracts)
    return Tumour(oedema, core, enhancing)


def _rim(core: Field, lesion: Lesion, noises: list[Field], soft_mm: float) -> Field:
    if lesion.rim_mm == 0:
        return np.zeros_like(core)
    thickness = lesion.rim_mm * (1 + lesion.patchiness * noises[1])
    return cover(np.maximum(core, -thickness - core), soft_mm) * np.clip(thickness, 0, 1)


def _random_lesion(rng: np.random.Generator, radius_mm: float, rim_mm: float) -> Lesion:
    turn, _ = np.linalg.qr(rng.standard_normal((3, 3)))
    lengths = np.exp(rng.normal(0, 0.18, 3))
    return Lesion(
        centre=_random_place(rng, radius_mm),
        stretch=(turn / (lengths / lengths.prod() ** (1 / 3))).astype(np.float32),
        radius_mm=radius_mm,
        rim_mm=rim_mm,
        patchiness=rng.uniform(0.15, 0.85) if rim_mm < radius_mm else 0.0,
        oedema_mm=rng.triangular(
            3, 5, min(5 + 2 * radius_mm, 14) if rim_mm == 0 else min(8 + 3 * radius_mm, 38)
        ),
    )


def _random_place(rng: np.random.Generator, radius_mm: float) -> NDArray[np.float32]:
    places = rng.uniform((16, -78, -26), (52, 50, 56), (400, 3)).astype(np.float32).T
    fits = (-cerebrum(places) > 0.75 * radius_mm + 5) & (places[0] > 0.7 * radius_mm + 5)
    place = places[:, np.argmax(fits)]
    place[0] *= rng.choice((-1, 1))
    return place


def _core_distance(points: Field, lesion: Lesion, noises: list[Field]) -> Field:
    offset = points - lesion.centre.reshape(3, 1, 1, 1)
    length = np.sqrt((np.einsum("ij,j...->i...", lesion.stretch, offset) ** 2).sum(0))
    bumps = 0.10 * noises[0] + 0.13 * noises[1] + 0.05 * noises[2]
    return length - lesion.radius_mm * np.clip(1 + bumps, 0.5, 1.6)
