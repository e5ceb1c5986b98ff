"""Read one MRI volume or label map from a NIfTI file, or say in one sentence why it cannot be used."""

import errno
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bundle.data.geometry import GRID_TOLERANCE_VOXELS, Grid, corner_shift_voxels, same_grid, spacing_mm
from bundle.data.intensities import check_intensities
from bundle.data.nifti_file import StoredVolume, read_stored, read_stored_series
from bundle.errors import CaseError

MAX_LABEL = np.iinfo(np.int32).max


@dataclass(frozen=True, eq=False)
class Volume:
    """One modality of one case, as read.

    Attributes:
        data: (H, W, D), finite, in the file's voxel order.
        sha256: of the bytes that were parsed; of header then voxels for an .hdr/.img pair.
        warnings: sentences for the report, without the case's name.
    """

    data: NDArray[np.float32]
    grid: Grid
    path: Path
    sha256: str
    warnings: tuple[str, ...]


def read_volume(path: Path, *, case_id: str, modality: str) -> Volume:
    """Read one MRI volume.

    Raises:
        CaseError: the file cannot be read, is damaged, or cannot be an MRI volume.
    """
    with _naming(case_id, modality, path):
        return _checked(read_stored(path), path)


def read_channels(path: Path, channels: Mapping[str, int], n_volumes: int, *, case_id: str) -> dict[str, Volume]:
    """Read the MRI volumes of one 4D file, whose channels are known by name; the file is read once.

    Args:
        path: a file that holds exactly ``n_volumes``.
        channels: modality to its place among the volumes, from 0.
        n_volumes: how many the file must hold, named here or not.
        case_id: for messages.

    Raises:
        CaseError: as `read_volume`, or E_4D if the file holds another number of volumes.
    """
    with _naming(case_id, " ".join(channels), path):
        stored = read_stored_series(path, n_volumes)
    volumes = {}
    for modality, index in channels.items():
        with _naming(case_id, modality, path):
            volumes[modality] = _checked(stored[index], path)
    return volumes


def read_input(entry: Mapping[str, Any], *, case_id: str, modality: str) -> Volume:
    """Read again what an exam's record says was read: ``file`` and, of a 4D file, ``channel`` and ``n_channels``.

    Raises:
        CaseError: as `read_volume`.
    """
    path = Path(entry["file"])
    if "channel" not in entry:
        return read_volume(path, case_id=case_id, modality=modality)
    return read_channels(path, {modality: entry["channel"]}, entry["n_channels"], case_id=case_id)[modality]


def _checked(stored: StoredVolume, path: Path) -> Volume:
    data, warnings = check_intensities(_scaled(stored))
    return Volume(data, stored.grid, path, stored.sha256, stored.warnings + warnings)


def read_label(path: Path, *, case_id: str) -> tuple[NDArray[np.integer], Grid]:
    """Read a label map: non-negative whole numbers, uint8 where they fit and int32 where not.

    Raises:
        CaseError: as `read_volume`, or E_LABEL_VALUES.
    """
    with _naming(case_id, "label", path):
        stored = read_stored(path)
        values = _label_values(stored)
        is_whole = values.dtype.kind in "iu" or bool((np.rint(values) == values).all())
        if not is_whole or values.min() < 0 or values.max() > MAX_LABEL:
            raise CaseError(
                "E_LABEL_VALUES",
                f"labels must be whole numbers from 0 to {MAX_LABEL}; got values between {values.min():g} and "
                f"{values.max():g}. Give the segmentation itself, resampled with nearest neighbour.",
            )
        return values.astype(np.uint8 if values.max() <= 255 else np.int32), stored.grid


def _label_values(stored: StoredVolume) -> NDArray:
    if not stored.layout.is_scaled:
        return stored.voxels
    with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is refused as a label
        return stored.voxels * np.float64(stored.layout.slope) + stored.layout.intercept


def _scaled(stored: StoredVolume) -> NDArray[np.float32]:
    """Apply slope and intercept in double precision without a double-precision copy."""
    data = np.empty_like(stored.voxels, dtype=np.float32)
    layout = stored.layout
    with np.errstate(over="ignore", invalid="ignore"):  # what overflows is found as infinite
        if not layout.is_scaled:
            np.copyto(data, stored.voxels, casting="unsafe")
        else:
            np.multiply(stored.voxels, layout.slope, out=data, dtype=np.float64, casting="unsafe")
            np.add(data, layout.intercept, out=data, dtype=np.float64, casting="unsafe")
    return data


def check_distinct(volumes: Mapping[str, Volume], case_id: str) -> None:
    """Refuse one scan given as two modalities, also if it was compressed anew in between.

    The voxels decide, not the hashes: the channels of a 4D file share one.

    Raises:
        CaseError: E_DUPLICATE.
    """
    for (name_a, a), (name_b, b) in combinations(volumes.items(), 2):
        if np.array_equal(a.data, b.data):
            raise CaseError(
                "E_DUPLICATE",
                f"{case_id}: every modality must have its own scan; got the same voxels for {name_a} "
                f"({_printable(a.path)}) and {name_b} ({_printable(b.path)}). Give each modality its own file.",
            )


def check_grids(volumes: Mapping[str, Volume], case_id: str) -> None:
    """Refuse modalities that do not lie on one grid.

    Raises:
        CaseError: E_GRID, with both grids.
    """
    (first_name, first), *others = volumes.items()
    for name, volume in others:
        if not same_grid(first.grid, volume.grid):
            raise CaseError(
                "E_GRID",
                f"{case_id}: all modalities must lie on one grid; got {first_name} ({_printable(first.path)}) with "
                f"{_describe(first.grid)} and {name} ({_printable(volume.path)}) with {_describe(volume.grid)}"
                f"{_shift(first.grid, volume.grid)}. Register and resample them to one of them first.",
            )


def _describe(grid: Grid) -> str:
    shape = " x ".join(str(size) for size in grid.shape)
    spacing = " x ".join(f"{size:.4g}" for size in spacing_mm(grid.affine))
    return f"{shape} voxels of {spacing} mm{'' if grid.is_anchored else ' at an unknown position'}"


def _shift(a: Grid, b: Grid) -> str:
    if a.shape != b.shape:
        return ""
    shift = corner_shift_voxels(a.affine, b.affine, a.shape)
    return f", {shift:.2f} voxels apart at a corner (limit {GRID_TOLERANCE_VOXELS:g})"


@contextmanager
def _naming(case_id: str, modality: str, path: Path) -> Iterator[None]:
    """Put case and file in front of every refusal; no exception but CaseError leaves.

    This is the only place that knows what the operating system and the libraries may raise.
    """
    try:
        yield
    except Exception as error:
        code, sentence = _explain(error)
        raise CaseError(code, f"{case_id}, {modality}, {_printable(path)}: {sentence}") from error


def _explain(error: Exception) -> tuple[str, str]:
    match error:
        case CaseError():
            return error.code, str(error)
        case FileNotFoundError():
            return "E_MISSING", "the file must exist; got nothing there, or a link to nothing. Check the path."
        case OSError(errno=errno.EISDIR | errno.ENOTDIR | errno.ELOOP):
            return "E_NOT_A_FILE", f"the path must be that of a file; got {error.strerror}. Give the image itself."
        case OSError():
            return "E_UNREADABLE", f"the file must be readable; got {error.strerror}. Check permissions and disk."
        case MemoryError():
            return "E_TOO_LARGE", "the image must fit into memory; got no more of it. Resample the image to 1 mm."
    return "E_UNREADABLE", f"the file must be readable; got {type(error).__name__}: {error}. Report this as a defect."


def _printable(path: Path) -> str:
    text = str(path)
    return text if text.isprintable() else ascii(text)
