"""Cases of brains that never lived: drawn from a seed, so that nothing need be downloaded to train
or test.
"""

import gzip
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, gaussian_filter1d

from bundle.errors import UsageError
from bundle.files.atomic_file import appearing_at_once, make_folder
from bundle.phantoms.anatomy import CENTRE, EXTENT, Brain, draw_brain
from bundle.phantoms.lesions import Tumour, draw_tumour, push_aside, random_lesions
from bundle.phantoms.shapes import Field, Grid, cover, ellipsoid, smooth_noise
from bundle.tasks.modalities import MODALITIES
from bundle.tasks.regions import to_convention

SHAPE = (96, 112, 80)
_SMALLEST = 32
_GZIP_LEVEL = 1


class _Year(NamedTuple):
    """How a BraTS year names a case and its files."""

    case: str
    separator: str
    names: Mapping[str, str]


_YEARS = {
    "brats2021": _Year(
        "phantom_{:05d}", "_", {"t1n": "t1", "t1c": "t1ce", "t2w": "t2", "t2f": "flair"}
    ),
    "brats2023": _Year("phantom-{:05d}-000", "-", {modality: modality for modality in MODALITIES}),
}

# Signal of each tissue, relative to the brain's mean, in MODALITIES order; fitted to z-scores of
# BraTS cases.
_SIGNAL: dict[str, tuple[float, float, float, float]] = {
    "fluid": (0.52, 0.48, 2.40, 0.38),
    "white": (1.16, 1.12, 0.93, 0.97),
    "grey": (0.96, 0.98, 1.12, 1.08),
    "deep": (1.05, 1.03, 0.98, 1.01),
    "stem": (1.10, 1.07, 0.95, 0.97),
    "plexus": (0.80, 1.60, 1.70, 0.90),
    "vessel": (0.75, 1.75, 0.90, 0.70),
    "lesion": (1.05, 1.02, 1.25, 1.42),
    "oedema": (1.00, 0.97, 1.60, 1.37),
    "enhancing": (1.03, 1.43, 1.55, 1.33),
    "core": (0.90, 0.84, 1.90, 1.45),
}


@dataclass(frozen=True)
class Phantom:
    """A drawn case.

    Attributes:
        images: (H, W, D) int16 by name in ``MODALITIES``; 0 outside the brain, positive inside.
        label: (H, W, D) uint8 with the values of ``bundle.tasks.regions.LABEL_NAMES``.
        affine: (4, 4) voxel to world, RAS+ mm.
    """

    images: dict[str, NDArray[np.int16]]
    label: NDArray[np.uint8]
    affine: NDArray[np.float64]


def draw_phantom(seed: int | Sequence[int], shape: tuple[int, int, int] = SHAPE) -> Phantom:
    """Draw the case of a seed.

    On a grid too small for an adult brain everything shrinks with the grid; the spacing stays 1 mm.

    Args:
        seed: one or more non-negative integers; the same ones draw the same case.
        shape: voxels, at least 32 in each axis.

    Raises:
        UsageError: the shape is too small.
    """
    _check_shape(shape)
    rng = np.random.default_rng(np.random.SeedSequence(seed))
    scale = min(1.0, *((n - 2) / extent for n, extent in zip(shape, EXTENT, strict=True)))
    box = tuple(_brain_span(n, extent * scale) for n, extent in zip(shape, EXTENT, strict=True))
    lesions = random_lesions(rng)
    grid = _brain_grid(shape, box, scale, rng)
    rest = push_aside(grid.points, lesions)
    brain = draw_brain(grid, rest, rng)
    tumour = draw_tumour(grid, rest, brain, lesions, rng)
    inside = brain.depth > 0
    images = _acquire(
        _paint(grid, brain, _hyperintensities(grid, brain, rng), tumour, rng), inside, grid, rng
    )
    return Phantom(
        images={
            name: _embed(image, shape, box) for name, image in zip(MODALITIES, images, strict=True)
        },
        label=_embed(np.where(inside, tumour.label(), np.uint8(0)), shape, box),
        affine=_brats_affine(shape),
    )


def write_phantoms(
    folder: Path,
    *,
    n_cases: int,
    seed: int,
    shape: tuple[int, int, int] = SHAPE,
    naming: str = "brats2023",
    modalities: Collection[str] = MODALITIES,
    with_label: bool = True,
) -> list[Path]:
    """Write cases in the folders, names and label values of a BraTS year.

    Case i depends on seed and i alone, so a longer run extends a shorter one. Each file appears
    whole or not at all.

    Args:
        folder: made if it is not there; files of the same names are replaced.
        n_cases: at least 1.
        seed: non-negative.
        shape: voxels, at least 32 in each axis.
        naming: ``brats2021`` or ``brats2023``.
        modalities: which of ``MODALITIES`` to write.
        with_label: False leaves the segmentation out.

    Returns:
        The case folders, in order.

    Raises:
        UsageError: an argument is out of its range.
        OutputError: the folder cannot be made, before anything is drawn, or a file cannot be
            written.
    """
    _check_request(n_cases, seed, shape, naming, modalities)
    make_folder(folder)
    return [
        _write_case(
            folder, number, draw_phantom((seed, number), shape), naming, modalities, with_label
        )
        for number in range(1, n_cases + 1)
    ]


def _check_shape(shape: tuple[int, int, int]) -> None:
    if len(shape) != 3 or min(shape) < _SMALLEST:
        raise UsageError(
            "E_PHANTOM",
            f"shape must be three numbers of at least {_SMALLEST} voxels; got {shape}. Use a larger"
            " grid.",
        )


def _check_request(
    n_cases: int, seed: int, shape: tuple[int, int, int], naming: str, modalities: Collection[str]
) -> None:
    _check_shape(shape)
    if n_cases < 1:
        raise UsageError(
            "E_PHANTOM", f"n_cases must be at least 1; got {n_cases}. Ask for one case or more."
        )
    if seed < 0:
        raise UsageError(
            "E_PHANTOM", f"seed must not be negative; got {seed}. Use 0 or a larger number."
        )
    if naming not in _YEARS:
        raise UsageError(
            "E_PHANTOM", f"naming must be one of {', '.join(_YEARS)}; got {naming!r}. Choose one."
        )
    if not modalities or not set(modalities) <= set(MODALITIES):
        raise UsageError(
            "E_PHANTOM",
            f"modalities must be among {', '.join(MODALITIES)}; got {sorted(modalities)}. Name at"
            " least one.",
        )


def _brain_span(n: int, length: float) -> slice:
    half = int(np.ceil(length / 2)) + 4
    middle = n // 2
    return slice(max(middle - half, 0), min(middle + half, n))


def _brain_grid(
    shape: tuple[int, int, int], box: tuple[slice, ...], scale: float, rng: np.random.Generator
) -> Grid:
    """Place each voxel of the box in the adult brain, for a head slightly turned and of its own
    build.
    """
    axes = [
        (np.arange(n)[span] - (n - 1) / 2) * sign / scale
        for n, span, sign in zip(shape, box, (-1, -1, 1), strict=True)
    ]
    grid = np.stack(np.meshgrid(*axes, indexing="ij")).astype(np.float32)
    a, b, c = np.radians(rng.normal(0, 2.5, 3))
    turn = np.array([[1, -a, b], [a, 1, -c], [-b, c, 1]]) / rng.uniform(0.93, 1.0, 3)[:, None]
    centre = np.asarray(CENTRE, np.float32).reshape(3, 1, 1, 1)
    points = np.einsum("ij,j...->i...", turn.astype(np.float32), grid) + centre
    bend = [1.8 * smooth_noise(grid.shape[1:], 45 * scale, rng) for _ in range(3)]
    return Grid(points + np.stack(bend), scale)


def _hyperintensities(grid: Grid, brain: Brain, rng: np.random.Generator) -> Field:
    """Return the coverage of harmless bright FLAIR spots: caps on the ventricles, small foci in
    white matter.
    """
    age = rng.beta(1.2, 2.0)
    reach = (0.5 + 7 * age) * np.clip(1 + 0.5 * grid.noise(9, rng), 0, 2)
    caps = cover(brain.ventricles - reach.astype(np.float32), 3 * grid.soft_mm)
    foci = np.full(brain.depth.shape, np.inf, np.float32)
    for _ in range(round(3 + 20 * age)):
        place = rng.uniform((16, -65, 5), (45, 45, 45)) * (rng.choice((-1, 1)), 1, 1)
        foci = np.minimum(foci, ellipsoid(grid.points, place, rng.uniform(1.2, 4.0, 3)))
    return np.maximum((0.7 + 0.3 * age) * caps, cover(foci, 2 * grid.soft_mm)) * brain.white


def _paint(
    grid: Grid, brain: Brain, spots: Field, tumour: Tumour, rng: np.random.Generator
) -> Field:
    """Mix the signals of all tissues into images (M, H, W, D)."""
    signal = {name: np.asarray(values) * rng.normal(1, 0.02, 4) for name, values in _SIGNAL.items()}
    signal["core"] = signal["core"] * (
        rng.uniform(0.85, 1.1),
        rng.uniform(0.9, 1.1),
        1,
        rng.uniform(0.55, 1.15),
    )
    signal["enhancing"] = signal["enhancing"] * (1, rng.uniform(0.82, 1.28), 1, 1)
    signal["fluid"] = signal["fluid"] * (1, 1, rng.uniform(0.85, 1.3), rng.uniform(0.8, 1.3))
    images = np.empty((len(MODALITIES), *brain.depth.shape), np.float32)
    for image, start in zip(images, signal["fluid"], strict=True):
        image[:] = start
    for name, share in [*brain.layers, ("lesion", spots)]:
        for image, value in zip(images, signal[name], strict=True):
            image += share * (np.float32(value) - image)
    for name, share in (
        ("oedema", tumour.oedema),
        ("core", tumour.core),
        ("enhancing", tumour.enhancing),
    ):
        for image, value in zip(images, signal[name], strict=True):
            mottle = 1 + rng.uniform(0.02, 0.10) * grid.noise(7, rng)
            image += share * (np.float32(value) * mottle - image)
    return images


def _acquire(
    images: Field, inside: NDArray[np.bool_], grid: Grid, rng: np.random.Generator
) -> list[NDArray[np.int16]]:
    """Add what a scanner adds: blur, coil shading, texture, Rician noise, arbitrary units."""
    scanned = []
    for image in images:
        blurred = gaussian_filter(image, 0.45)
        if rng.uniform() < 0.4:  # thick slices, resampled
            blurred = gaussian_filter1d(blurred, rng.uniform(0.5, 1.8) * grid.scale, axis=2)
        blurred *= np.exp(rng.uniform(0.02, 0.08) * grid.noise(110, rng))
        blurred *= 1 + 0.02 * smooth_noise(image.shape, 3.5, rng)
        noise = rng.uniform(0.01, 0.04) * rng.standard_normal((2, *image.shape), dtype=np.float32)
        signal = np.hypot(blurred + noise[0], noise[1])
        units = float(np.exp(rng.uniform(np.log(200), np.log(1500))))
        scanned.append(
            np.where(inside, np.clip(np.rint(signal * units), 1, 32767), 0).astype(np.int16)
        )
    return scanned


def _embed(part: NDArray, shape: tuple[int, int, int], box: tuple[slice, ...]) -> NDArray:
    whole = np.zeros(shape, part.dtype)
    whole[box] = part
    return whole


def _brats_affine(shape: tuple[int, int, int]) -> NDArray[np.float64]:
    """Return the affine of BraTS: first axis to the left, second to the back, third to the top."""
    affine = np.diag((-1.0, -1.0, 1.0, 1.0))
    affine[1, 3] = shape[1] - 1
    return affine


def _write_case(
    folder: Path,
    number: int,
    phantom: Phantom,
    naming: str,
    modalities: Collection[str],
    with_label: bool,
) -> Path:
    year = _YEARS[naming]
    name = year.case.format(number)
    case = make_folder(folder / name)
    volumes: dict[str, NDArray | None] = {
        year.names[modality]: phantom.images[modality] if modality in modalities else None
        for modality in MODALITIES
    }
    volumes["seg"] = to_convention(phantom.label, naming) if with_label else None
    for suffix, values in volumes.items():
        path = case / f"{name}{year.separator}{suffix}.nii.gz"
        if values is None:  # an older case of this name would be mixed with this one
            path.unlink(missing_ok=True)
        else:
            _write_volume(path, values, phantom.affine)
    return case


def _write_volume(path: Path, values: NDArray, affine: NDArray[np.float64]) -> None:
    image: Any = nib.Nifti1Image(values, affine)  # type: ignore[no-untyped-call]
    image.header.set_xyzt_units("mm")
    image.set_sform(affine, 1)
    image.set_qform(affine, 1)
    with (
        appearing_at_once(path) as file,
        gzip.GzipFile("", "wb", _GZIP_LEVEL, file, mtime=0) as stream,
    ):
        image.to_stream(stream)
