"""Cases of brains that never lived: drawn from a seed, so that nothing need be downloaded to train
or test.
"""

import gzip
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from bundle.errors import UsageError
from bundle.files.atomic_file import appearing_at_once, make_folder
from bundle.phantoms.anatomy import CENTRE, EXTENT, draw_brain
from bundle.phantoms.lesion_kind import Painted, push_aside
from bundle.phantoms.plan import Naming, read_plan
from bundle.phantoms.scanner import acquire, paint
from bundle.phantoms.shapes import Grid, smooth_noise
from bundle.tasks.default import DEFAULT_TASK
from bundle.tasks.task import Task

SHAPE = (96, 112, 80)
_SMALLEST = 32
_GZIP_LEVEL = 1


@dataclass(frozen=True)
class Phantom:
    """A drawn case.

    Attributes:
        images: (H, W, D) int16 by name of the modality; 0 outside the brain, positive inside.
        label: (H, W, D) uint8 with the values of the task's labels.
        affine: (4, 4) voxel to world, RAS+ mm.
    """

    images: dict[str, NDArray[np.int16]]
    label: NDArray[np.uint8]
    affine: NDArray[np.float64]


def draw_phantom(
    seed: int | Sequence[int],
    shape: tuple[int, int, int] = SHAPE,
    *,
    task: Task = DEFAULT_TASK,
) -> Phantom:
    """Draw the case of a seed.

    On a grid too small for an adult brain everything shrinks with the grid; the spacing stays 1 mm.

    Args:
        seed: one or more non-negative integers; the same ones draw the same case.
        shape: voxels, at least 32 in each axis.
        task: declares what its cases look like.

    Raises:
        UsageError: the shape is too small, or the task declares no phantom.
        SetupError: E_TASK, the task declares its phantom wrongly.
    """
    _check_shape(shape)
    plan = read_plan(task)
    rng = np.random.default_rng(np.random.SeedSequence(seed))
    scale = min(1.0, *((n - 2) / extent for n, extent in zip(shape, EXTENT, strict=True)))
    box = tuple(_brain_span(n, extent * scale) for n, extent in zip(shape, EXTENT, strict=True))
    kinds = [*plan.lesions, *plan.confounders]
    masses = [kind.grow(rng) for kind in kinds]
    grid = _brain_grid(shape, box, scale, rng)
    rest = push_aside(grid.points, list(chain.from_iterable(masses)))
    brain = draw_brain(grid, rest, rng)
    painted: list[Painted] = []
    for kind, own in zip(kinds, masses, strict=True):
        shares = kind.draw(grid, rest, brain, own, rng)
        painted.append([(layer, shares[part]) for part, layer in kind.layers.items()])
    lesions = list(chain.from_iterable(painted[: len(plan.lesions)]))
    confounders = list(chain.from_iterable(painted[len(plan.lesions) :]))
    inside = brain.depth > 0
    images = acquire(paint(grid, brain, confounders, lesions, plan, rng), inside, grid, rng)
    return Phantom(
        images={
            name: _embed(image, shape, box)
            for name, image in zip(task.modality_names, images, strict=True)
        },
        label=_embed(_label(lesions, inside), shape, box),
        affine=_brats_affine(shape),
    )


def write_phantoms(
    folder: Path,
    *,
    n_cases: int,
    seed: int,
    shape: tuple[int, int, int] = SHAPE,
    naming: str | None = None,
    modalities: Collection[str] | None = None,
    with_label: bool = True,
    task: Task = DEFAULT_TASK,
) -> list[Path]:
    """Write cases in the folders, names and label values of a naming that the task declares.

    Case i depends on seed and i alone, so a longer run extends a shorter one. Each file appears
    whole or not at all.

    Args:
        folder: made if it is not there; files of the same names are replaced.
        n_cases: at least 1.
        seed: non-negative.
        shape: voxels, at least 32 in each axis.
        naming: one of the task's namings, such as ``brats2021``; None for its first.
        modalities: names of those to write; None for all.
        with_label: False leaves the segmentation out.
        task: declares what its cases look like and how they are called.

    Returns:
        The case folders, in order.

    Raises:
        UsageError: an argument is out of its range, or the task declares no phantom.
        SetupError: E_TASK, the task declares its phantom wrongly.
        OutputError: the folder cannot be made, before anything is drawn, or a file cannot be
            written.
    """
    _check_shape(shape)
    _check_numbers(n_cases, seed)
    namings = read_plan(task).namings
    chosen = task.modality_names if modalities is None else modalities
    name = next(iter(namings)) if naming is None else naming
    if name not in namings:
        known = ", ".join(sorted(namings))
        raise UsageError("E_PHANTOM", f"naming must be one of {known}; got {name!r}. Choose one.")
    _check_modalities(chosen, task)
    make_folder(folder)
    folders: list[Path] = []
    for number in range(1, n_cases + 1):
        phantom = draw_phantom((seed, number), shape, task=task)
        volumes = _volumes(phantom, namings[name], chosen, with_label, task)
        folders.append(_write_case(folder, number, namings[name], volumes, phantom.affine))
    return folders


def _check_shape(shape: Sequence[int]) -> None:
    if len(shape) != 3 or min(shape) < _SMALLEST:
        raise UsageError(
            "E_PHANTOM",
            f"shape must be three numbers of at least {_SMALLEST} voxels; got {shape}. Use a larger"
            " grid.",
        )


def _check_numbers(n_cases: int, seed: int) -> None:
    if n_cases < 1:
        raise UsageError(
            "E_PHANTOM", f"n_cases must be at least 1; got {n_cases}. Ask for one case or more."
        )
    if seed < 0:
        raise UsageError(
            "E_PHANTOM", f"seed must not be negative; got {seed}. Use 0 or a larger number."
        )


def _check_modalities(modalities: Collection[str], task: Task) -> None:
    if not modalities or not set(modalities) <= set(task.modality_names):
        raise UsageError(
            "E_PHANTOM",
            f"modalities must be among {', '.join(task.modality_names)}; got {sorted(modalities)}."
            " Name at least one.",
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


def _label(lesions: Painted, inside: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Return exclusive labels, by the layer painted last of those that fill most of the voxel."""
    label = np.zeros(inside.shape, np.uint8)
    for layer, share in lesions:
        if layer.label:
            label[inside & (share > 0.5)] = layer.label
    return label


def _embed(part: NDArray, shape: tuple[int, int, int], box: tuple[slice, ...]) -> NDArray:
    whole = np.zeros(shape, part.dtype)
    whole[box] = part
    return whole


def _brats_affine(shape: tuple[int, int, int]) -> NDArray[np.float64]:
    """Return the affine of BraTS: first axis to the left, second to the back, third to the top."""
    affine = np.diag((-1.0, -1.0, 1.0, 1.0))
    affine[1, 3] = shape[1] - 1
    return affine


def _volumes(
    phantom: Phantom, naming: Naming, modalities: Collection[str], with_label: bool, task: Task
) -> dict[str, NDArray | None]:
    """Return what the files of a case hold, by the ends of their names; None for no file."""
    volumes: dict[str, NDArray | None] = {}
    for modality, suffix in naming.suffixes.items():
        volumes[suffix] = phantom.images[modality] if modality in modalities else None
    numbering = task.numbering(naming.numbering)
    volumes[naming.label] = numbering.write(phantom.label) if with_label else None
    return volumes


def _write_case(
    folder: Path,
    number: int,
    naming: Naming,
    volumes: Mapping[str, NDArray | None],
    affine: NDArray[np.float64],
) -> Path:
    case = make_folder(folder / naming.case_name(number))
    for suffix, values in volumes.items():
        path = case / naming.file_name(number, suffix)
        if values is None:  # an older case of this name would be mixed with this one
            path.unlink(missing_ok=True)
        else:
            write_volume(path, values, affine)
    return case


def write_volume(path: Path, values: NDArray, affine: NDArray[np.float64]) -> None:
    """Write a volume as NIfTI, whole or not at all; the same one is written as the same bytes."""
    image: Any = nib.Nifti1Image(values, affine)  # type: ignore[no-untyped-call]
    image.header.set_xyzt_units("mm")
    image.set_sform(affine, 1)
    image.set_qform(affine, 1)
    with (
        appearing_at_once(path) as file,
        gzip.GzipFile("", "wb", _GZIP_LEVEL, file, mtime=0) as stream,
    ):
        image.to_stream(stream)
