"""Shapes of a healthy brain as signed distances, in millimetres of an adult brain around the
anterior commissure.

Coordinates follow MNI habit: x to the right, y to the front, z to the top. A distance is negative
inside the shape.
"""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter, map_coordinates

from bundle.phantoms.shapes import Field, Grid, cover, ellipsoid, outer_max, smooth_min, tube

CENTRE = (0.0, -17.0, 3.0)
EXTENT = (146.0, 184.0, 153.0)
"""Box that holds every brain drawn here, mm; see CENTRE for its middle."""
TISSUES = ("fluid", "white", "grey", "deep", "stem", "plexus", "vessel")
"""What a healthy brain is made of; all of it lies in fluid."""

_HULL_CENTRE, _HULL_RADII = (0.0, -17.0, 12.0), (66.0, 86.0, 64.0)
_CORTEX_MM = 3.0
# x, y, z, radius of the right lateral ventricle from frontal to occipital horn, then of its
# temporal horn.
_LATERAL = (
    (7, 31, 4, 2.0),
    (8, 20, 11, 4.0),
    (9, 2, 19, 4.2),
    (13, -18, 22, 4.4),
    (20, -32, 19, 5.2),
)
_OCCIPITAL = ((20, -32, 19, 5.2), (25, -43, 12, 6.0), (25, -58, 8, 3.4), (23, -70, 6, 1.2))
_TEMPORAL = ((25, -43, 12, 5.0), (32, -34, -2, 2.4), (33, -16, -17, 1.6))
_DEEP_GREY = (  # centre and radii of thalamus, caudate head and body, putamen, pallidum; right side
    ((11, -18, 7), (8.5, 14, 8.5)),
    ((14, 15, 5), (5.5, 9.5, 9)),
    ((17, -4, 19), (3.2, 14, 4.5)),
    ((27, 3, 1), (5.5, 15, 10)),
    ((20, -4, 0), (4.5, 8, 6)),
)


@dataclass(frozen=True)
class Brain:
    """What is where, before any lesion.

    Attributes:
        depth: mm below the smooth outer surface of the skull-stripped brain, positive inside.
        ventricles: signed distance to the ventricles, mm.
        layers: tissue name and coverage in 0..1, to be painted in this order over fluid.
        white: fraction of white matter, 0..1.
    """

    depth: Field
    ventricles: Field
    layers: tuple[tuple[str, Field], ...]
    white: Field

    @property
    def tracts(self) -> Field:
        """Share of each voxel, 0..1, that what follows the white matter may take."""
        return np.clip(self.white * 1.6 - 0.2, 0, 1)


def cerebrum(points: Field) -> Field:
    """Return the distance to the unfolded cerebral surface: hull, flat base and temporal lobes."""
    across, y, z = np.abs(points[0]), points[1], points[2]
    egg = np.stack(
        [across * (1 + 0.0014 * np.maximum(y + 20, 0)), y, z + 0.0012 * (y + 17) ** 2 * (y > -17)]
    )
    back = np.clip((-y - 22) / 20, 0, 1)
    frontal = -20 + 0.10 * np.maximum(y - 20, 0)
    tentorium = -6 - 15 * np.clip(across / 45, 0, 1) + 0.12 * (y + 40)
    floor = frontal * (1 - back) + tentorium * back
    upper = -smooth_min(-ellipsoid(egg, _HULL_CENTRE, _HULL_RADII), z - floor, 8)
    lobe = np.stack([across, y, z + 0.2 * (y + 14)])
    return smooth_min(upper, ellipsoid(lobe, (43, -14, -21), (22, 37, 20)), 5)


def draw_brain(grid: Grid, rest: Field, rng: np.random.Generator) -> Brain:
    """Draw one healthy brain.

    Args:
        grid: where each voxel lies; decides the outer surface.
        rest: (3, H, W, D) mm, where its tissue would lie if no lesion had pushed it; decides all
            that is inside.
        rng: settles folding, ventricle size and atrophy.
    """
    soft, atrophy = grid.soft_mm, rng.uniform(0, 1)
    surface, cerebellum, stem = (
        cerebrum(grid.points),
        _cerebellum(grid.points),
        _brain_stem(grid.points),
    )
    clefts = _clefts(grid, rest, -surface, rng) - np.float32(0.25 + 0.6 * atrophy)
    dented = surface + np.float32(1.2) * cover(clefts - 2, 2)
    outer = smooth_min(smooth_min(dented, cerebellum, 12), stem, 12) - 0.3 - 0.8 * atrophy
    ventricles = _ventricles(rest, rng.uniform(-0.2, 3.0))
    inside = np.minimum(-dented, clefts)
    cortex = _CORTEX_MM * (1 + 0.15 * grid.noise(12, rng))
    brain = cover(-inside, soft)
    layers = [("white", brain), ("grey", cover(inside - cortex, soft) * brain)]
    layers += [
        ("deep", cover(_deep_grey(rest), soft)),
        *_cerebellar_layers(grid.points, cerebellum, rng, soft),
    ]
    layers += [("stem", cover(stem, soft)), ("fluid", cover(ventricles, soft))]
    white = brain.copy()
    for _, share in layers[1:]:
        white *= 1 - share
    layers += _vessels(grid, rest, clefts, surface, rng)
    return Brain(-outer, ventricles, tuple(layers), white)


def _mirror(points: Field) -> Field:
    return np.concatenate([np.abs(points[:1]), points[1:]])


def _ventricles(points: Field, swelling_mm: float) -> Field:
    right = _mirror(points)
    chains = np.minimum.reduce([tube(right, chain) for chain in (_LATERAL, _OCCIPITAL, _TEMPORAL)])
    septum = 0.8 - right[0]
    lateral = np.maximum(chains - swelling_mm, septum)
    third = ellipsoid(right, (0, -14, 1), (1.8 + 0.6 * max(swelling_mm, 0), 14, 10))
    fourth = ellipsoid(right, (0, -46, -32), (7, 5, 9))
    return np.minimum(np.minimum(lateral, third), fourth)


def _deep_grey(points: Field) -> Field:
    right = _mirror(points)
    return np.minimum.reduce([ellipsoid(right, centre, radii) for centre, radii in _DEEP_GREY])


def _brain_stem(points: Field) -> Field:
    stem = tube(
        points,
        (
            (0, -18, -4, 13),
            (0, -25, -22, 13),
            (0, -28, -36, 13),
            (0, -38, -55, 8),
            (0, -44, -80, 7),
        ),
    )
    return smooth_min(stem, ellipsoid(points, (0, -20, -31), (15, 11, 13)), 6)


def _cerebellum(points: Field) -> Field:
    right = _mirror(points)
    lobe = ellipsoid(right, (22, -59, -34), (27, 28, 21))
    return smooth_min(lobe, ellipsoid(right, (0, -60, -27), (13, 24, 20)), 10)


def _cerebellar_layers(
    points: Field, distance: Field, rng: np.random.Generator, soft_mm: float
) -> list[tuple[str, Field]]:
    right = _mirror(points)
    angle = np.arctan2(right[2] + 36, -(right[1] + 46)) * 15 + 0.08 * right[0] + rng.uniform(0, 6)
    blades = np.maximum(np.abs(np.sin(angle / 2)) * 6 - 1.6, 3.5 + distance)
    nucleus = ellipsoid(right, (17, -58, -36), (16, 13, 7))
    furrow = np.maximum(np.abs(np.cos(angle / 2)) * 6 - 0.4, -7 - distance)
    body = cover(distance, soft_mm)
    return [
        ("fluid", cover(distance - 1, soft_mm)),
        ("grey", body),
        ("white", body * cover(np.minimum(blades, nucleus), soft_mm)),
        ("fluid", body * cover(furrow, soft_mm) * 0.6),
    ]


def _folds(points: Field, rng: np.random.Generator) -> Field:
    """Return the distance to random sheets that stand upright on the surface, as sulci do."""
    step, n = 3.0, 72
    white = rng.standard_normal((n, n, n)).astype(np.float32)
    noise = gaussian_filter(white, 4.0 / step) - 0.6 * gaussian_filter(white, 6.5 / step)
    slope = np.sqrt(sum(np.square(part) for part in np.gradient(noise, step)))
    sheets = noise / (slope + 0.5 * slope.mean())
    centred = points - np.asarray(_HULL_CENTRE, np.float32).reshape(3, 1, 1, 1)
    norm = np.sqrt(
        ((centred / np.asarray(_HULL_RADII, np.float32).reshape(3, 1, 1, 1)) ** 2).sum(0)
    )
    stretch = np.maximum(norm, np.float32(0.2)) ** np.float32(-0.75)
    return (
        np.abs(map_coordinates(sheets, centred * stretch / step + n / 2, order=1, mode="reflect"))
        / stretch
    )


def _clefts(grid: Grid, rest: Field, depth: Field, rng: np.random.Generator) -> Field:
    """Return the distance to the middle of sulci, Sylvian and interhemispheric fissures."""
    bent = rest + np.stack([1.6 * grid.noise(13, rng) for _ in range(3)])
    across, y, z = np.abs(bent[0]), bent[1], bent[2]
    sulci = outer_max(
        _folds(bent, rng), depth - 11.5 - 5.5 * np.clip(z / 20, 0, 1) - 3.5 * grid.noise(20, rng)
    )
    arch = 30 * (np.hypot((y + 4) / 38, (z - 2) / 26) - 1)
    midline = outer_max(np.abs(rest[0] + 0.2 * (bent[0] - rest[0])), -arch)
    cingulate = outer_max(np.abs(arch - 10), across - 6)
    slope = 0.87 * (z + 12 + 0.58 * (y - 15))
    sylvian = outer_max(np.abs(slope), np.maximum.reduce([37 - across, y - 22, -42 - y]))
    insula = outer_max(np.abs(across - 38), np.maximum.reduce([np.abs(slope) - 9, y - 20, -20 - y]))
    fissures = np.minimum(np.minimum(midline, sylvian - 0.7), insula - 0.4)
    return np.minimum(np.minimum(sulci, cingulate), fissures)


def _vessels(
    grid: Grid, rest: Field, clefts: Field, surface: Field, rng: np.random.Generator
) -> list[tuple[str, Field]]:
    """Return what takes up contrast agent in health: sinuses, surface veins, choroid plexus."""
    turn = np.linspace(0.5, 3.25, 24)
    sagittal = np.stack(
        [0 * turn, -17 + 86 * np.cos(turn), 12 + 64 * np.sin(turn), 0.8 + 0.6 * turn], 1
    )
    straight = ((0, -34, 8, 1.4), (0, -48, 6, 1.8), (0, -62, 0, 1.6), (0, -98, -8, 2.0))
    right = _mirror(rest)
    arteries = tube(
        right, ((2, -2, -22, 1.2), (20, 4, -17, 1.2), (36, 6, -12, 1.1), (42, -8, -2, 0.9))
    )
    lines = 4 * np.abs(grid.noise(10, rng)) + 2 * np.maximum(grid.noise(18, rng) + 0.4, 0)
    twigs = np.hypot(lines, np.maximum(np.maximum(clefts, 0), np.abs(surface + 4) - 5)) - 0.9
    plexus = tube(right, ((14, -22, 19, 1.0), (22, -38, 15, 1.9), (25, -46, 10, 1.4)))
    tubes = np.minimum.reduce([tube(rest, sagittal), tube(rest, straight), arteries, twigs])
    return [("plexus", cover(plexus, grid.soft_mm)), ("vessel", cover(tubes, grid.soft_mm))]
