"""Heads that never lived: scalp, bone and neck drawn around a brain, and views that show a part."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_closing, binary_fill_holes, distance_transform_edt

from bundle.volumes.geometry import grid_from_affine
from bundle.volumes.image_volume import Volume

Voxels = NDArray[np.float32]

FLUID_MM = 2.0
NECK_MM = (62.0, 78.0)


@dataclass(frozen=True)
class Shell:
    """What lies around the brain; signal relative to the brain's median, thickness in mm."""

    scalp: float = 1.3
    fluid: float = 0.25
    bone: float = 0.07
    marrow: float = 0.07
    noise: float = 0.015
    bone_mm: tuple[float, float] = (4, 9)
    scalp_mm: tuple[float, float] = (3, 9)
    has_neck: bool = True


SHELLS = {
    "fat is bright": Shell(),
    "fat is suppressed": Shell(scalp=0.3),
    "fat is almost gone": Shell(scalp=0.2),
    "marrow is bright": Shell(marrow=0.5),
    "bone is thin": Shell(bone_mm=(3, 5)),
    "scalp is thin": Shell(scalp_mm=(2, 4)),
    "noise": Shell(noise=0.06),
    "fluid is bright": Shell(scalp=0.9, fluid=1.6),
    "no neck": Shell(has_neck=False),
}


def draw_head(brain: Voxels, mm: float, shell: Shell, rng: np.random.Generator) -> Voxels:
    """Draw a head around a brain.

    Args:
        brain: (H, W, D), RAS, 0 outside.
        mm: its spacing.
        shell: what to draw.
        rng: for thickness, texture and noise.

    Returns:
        A larger volume with air of Rician noise.
    """
    below = 60 if shell.has_neck else 28
    around = [[round(28 / mm)] * 2, [round(28 / mm)] * 2, [round(below / mm), round(28 / mm)]]
    head = np.pad(brain, around)
    inside = binary_fill_holes(binary_closing(head > 0, iterations=2))
    level = float(np.median(head[inside]))
    outwards = distance_transform_edt(~inside, sampling=mm)
    bone_end = FLUID_MM + _waves(head.shape, mm, shell.bone_mm, rng)
    scalp_end = bone_end + _waves(head.shape, mm, shell.scalp_mm, rng)
    depth = (outwards - FLUID_MM) / (bone_end - FLUID_MM)  # 0 to 1 within the bone
    texture = level * (1 + 0.15 * rng.standard_normal(head.shape))
    head[~inside] = 0
    _paint(head, ~inside & (outwards <= FLUID_MM), level * shell.fluid)
    _paint(head, ~inside & (depth > 0) & (depth <= 1), level * shell.bone)
    _paint(head, ~inside & (depth > 0.35) & (depth <= 0.65), level * shell.marrow)
    _paint(head, ~inside & (depth > 1) & (outwards <= scalp_end), texture * shell.scalp)
    if shell.has_neck:
        _paint(head, _neck(inside, mm) & (outwards > scalp_end), texture * 0.5)
    return with_noise(head, level * shell.noise, rng)


def with_noise(data: Voxels, sigma: float, rng: np.random.Generator) -> Voxels:
    """Add the noise of magnitude images."""
    real, imaginary = rng.normal(0, sigma, (2, *data.shape))
    return np.hypot(data + real, imaginary).astype(np.float32)


def partial_views(data: Voxels, mm: float) -> Iterator[tuple[str, Voxels]]:
    """Name and show parts of a brain or a head (H, W, D), RAS."""
    signal = data > 0.15 * np.percentile(data, 95)
    places = np.argwhere(signal)
    low, high = places.min(0), places.max(0) + 1
    middle = (low + high) // 2

    def steps(millimetres: float) -> int:
        return round(millimetres / mm)

    yield "tight", data[tuple(slice(a, b) for a, b in zip(low, high, strict=True))]
    yield "slab of 24 mm", data[:, :, middle[2] : middle[2] + steps(24)]
    yield "slab of 60 mm", data[:, :, middle[2] - steps(30) : middle[2] + steps(30)]
    yield "without its top", data[:, :, : middle[2] + steps(45)]
    yield "without its sides", data[low[0] + steps(30) : high[0] - steps(30)]
    yield "half", data[: middle[0]]


def plain_brain(mm: float, rng: np.random.Generator) -> Voxels:
    """Draw an egg with the size and the unrest of a brain, 1.5 litres."""
    radii = np.array([66, 84, 65]) / mm
    axes = [np.arange(-np.ceil(r) - 2, np.ceil(r) + 3) / r for r in radii]
    x, y, z = np.meshgrid(*axes, indexing="ij")
    values = _waves(x.shape, mm, (60, 140), rng)
    return np.where(x**2 + y**2 + z**2 < 1, values, 0).astype(np.float32)


def scan_of(data: Voxels, mm: float | tuple[float, float, float]) -> Volume:
    """Give drawn voxels the grid of a scan, RAS."""
    affine = np.diag([*np.broadcast_to(mm, 3), 1.0])
    affine[:3, 3] = (-80, -100, -60)
    data = np.ascontiguousarray(data, np.float32)
    return Volume(data, grid_from_affine(data.shape, affine), Path("drawn.nii"), "", ())


def _paint(head: Voxels, where: NDArray[np.bool_], value: NDArray | float) -> None:
    np.copyto(head, value, where=where, casting="unsafe")


def _neck(inside: NDArray[np.bool_], mm: float) -> NDArray[np.bool_]:
    places = np.argwhere(inside)
    x, y, z = np.ogrid[tuple(slice(0, n) for n in inside.shape)]
    right, front, _ = places.mean(0)
    round_ = ((x - right) * mm / NECK_MM[0]) ** 2 + ((y - front - 10) * mm / NECK_MM[1]) ** 2
    return (round_ < 1) & (z < places[:, 2].min() + 25 / mm) & ~inside


def _waves(
    shape: tuple[int, ...], mm: float, limits: tuple[float, float], rng: np.random.Generator
) -> NDArray[np.float64]:
    """Vary smoothly between two numbers."""
    total = np.zeros(shape)
    for axis, size in enumerate(shape):
        wave = np.cos(np.arange(size) * mm / rng.uniform(12, 40) + rng.uniform(0, 6))
        total += np.expand_dims(wave, tuple({0, 1, 2} - {axis}))
    return limits[0] + (limits[1] - limits[0]) * (total + 3) / 6
