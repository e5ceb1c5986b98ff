"""Reads a case, whatever modalities it has, into the dictionary that travels through the project."""

import hashlib
from collections.abc import Hashable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.data import MetaTensor
from monai.transforms import Transform
from numpy.typing import NDArray

from bundle.data.cases import case_name, find_images, find_label, label_convention, match_patterns
from bundle.data.exam_record import ExamRecord
from bundle.data.geometry import Grid, grid_from_affine, same_grid
from bundle.data.intensities import check_intensities
from bundle.data.nifti_forms import place
from bundle.data.nifti_reading import Volume, check_distinct, check_grids, read_label, read_volume
from bundle.errors import CaseError
from bundle.modalities import MODALITIES, canonical_modality, presence_flags
from bundle.regions import CONVENTIONS, from_convention, labels_to_regions

AUTO = "auto"


class LoadExamd(Transform):
    """Load the modalities that a case has; the channels of the others are 0 and marked absent.

    Presence is decided here, once, from which files exist. An all-zero file is an error, never an absent
    modality: truncated files are read as zeros by other software.

    Args:
        with_label: also read the expert segmentation into ``label``, (R, H, W, D) regions.
        label_convention: a key of ``regions.CONVENTIONS``, or ``auto`` to take it from the BraTS file name.
    """

    def __init__(self, with_label: bool = False, label_convention: str = AUTO) -> None:
        if label_convention != AUTO and label_convention not in CONVENTIONS:
            known = ", ".join((AUTO, *CONVENTIONS))
            raise ValueError(f"label_convention must be one of {known}; got {label_convention!r}.")
        self.with_label = with_label
        self.label_convention = label_convention

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Load one case.

        Args:
            data: ``image`` is a case folder, or a mapping from modality to file or to an array (H, W, D);
                arrays need ``affine`` (4, 4), voxel to world in RAS+ mm. ``case_id`` is optional with files.

        Returns:
            ``case_id``, ``image`` (M, H, W, D) float32 with metadata, ``presence`` (M,) bool, ``record``
            (JSON, see ``ExamRecord``) and, if asked for, ``label``.

        Raises:
            CaseError: a file cannot be used; the message names case, file and way out.
        """
        source = data["image"]
        case_id = str(data.get("case_id") or _case_id(source))
        files = _files(source, case_id, data.get("patterns"))
        volumes = {modality: _volume(value, case_id, modality, data) for modality, value in files.items()}
        check_grids(volumes, case_id=case_id)
        check_distinct(volumes, case_id=case_id)
        case = _case(case_id, files, volumes)
        if self.with_label:
            grid = next(iter(volumes.values())).grid
            case["label"] = self._label(data.get("label") or _label_file(source, case_id), grid, case)
        return case

    def _label(self, path: Path | None, grid: Grid, case: Mapping[Hashable, Any]) -> MetaTensor:
        case_id = str(case["case_id"])
        if path is None:
            raise CaseError("E_NO_LABEL", f"Case {case_id}: a label file CASE-seg.nii.gz must exist. Add it.")
        label, label_grid = read_label(Path(path), case_id=case_id)
        if not same_grid(grid, label_grid):
            raise CaseError(
                "E_GRID", f"Case {case_id}: the label {path} must lie on the grid of the images. Resample it."
            )
        regions = labels_to_regions(self._renumber(label, Path(path), case_id))
        return MetaTensor(torch.from_numpy(regions), affine=case["image"].affine)

    def _renumber(self, label: NDArray[np.integer], path: Path, case_id: str) -> NDArray[np.uint8]:
        convention = label_convention(path) if self.label_convention == AUTO else self.label_convention
        if convention is None:
            known = ", ".join(CONVENTIONS)
            raise CaseError(
                "E_LABELS",
                f"Case {case_id}: the numbering of {path} must be known; its name does not say. "
                f"Declare it (label_convention, --labels): one of {known}.",
            )
        try:
            return from_convention(label, convention)
        except ValueError as error:
            raise CaseError("E_LABELS", f"Case {case_id}: {path}: {error} Declare the right convention.") from error


def _case(case_id: str, files: Mapping[str, Any], volumes: Mapping[str, Volume]) -> dict[Hashable, Any]:
    grid = next(iter(volumes.values())).grid
    image = np.zeros((len(MODALITIES), *grid.shape), np.float32)
    for modality, volume in volumes.items():
        image[MODALITIES.index(modality)] = volume.data
    warnings = tuple(f"{modality}: {text}" for modality, volume in volumes.items() for text in volume.warnings)
    inputs = {modality: {"file": _name(files[modality]), "sha256": volumes[modality].sha256} for modality in volumes}
    first = _name(next(iter(files.values())))
    meta = {"filename_or_obj": first, "original_affine": grid.affine.copy(), "spatial_shape": np.array(grid.shape)}
    return {
        "case_id": case_id,
        "image": MetaTensor(torch.from_numpy(image), affine=torch.from_numpy(grid.affine), meta=meta),
        "presence": torch.tensor(presence_flags(volumes)),
        "record": ExamRecord(case_id, inputs, warnings + _background_warning(image), grid).to_json(),
    }


def _files(source: Any, case_id: str, patterns: Mapping[str, str] | None) -> dict[str, Any]:
    if isinstance(source, Mapping):
        named = {canonical_modality(str(name)): value for name, value in source.items() if value is not None}
        if len(named) < sum(value is not None for value in source.values()):
            raise CaseError("E_AMBIGUOUS", f"Case {case_id}: every modality must be given once; got {list(source)}.")
        if not named:
            raise CaseError("E_NO_MODALITY", f"Case {case_id}: at least one modality must be given; got none.")
        return {modality: named[modality] for modality in MODALITIES if modality in named}
    folder = Path(source)
    if not folder.is_dir():
        raise CaseError("E_MISSING", f"Case {case_id}: the case folder must exist; got {folder}. Check the path.")
    return dict(match_patterns(folder, case_id, patterns) if patterns else find_images(folder, case_id))


def _volume(value: Any, case_id: str, modality: str, data: Mapping[Hashable, Any]) -> Volume:
    if isinstance(value, str | Path):
        return read_volume(Path(value), case_id=case_id, modality=modality)
    return array_volume(value, data.get("affine"), case_id, modality)


def array_volume(values: Any, affine: Any, case_id: str, modality: str) -> Volume:
    """Check a volume that is in memory as strictly as one from a file.

    Args:
        values: (H, W, D), anything numpy can turn into numbers.
        affine: (4, 4), voxel to world in RAS+ mm.
        case_id: for messages.
        modality: for messages.

    Raises:
        CaseError: not a volume, no usable affine, or intensities that cannot be a scan.
    """
    data = np.array(values, np.float32)
    where = f"{case_id}, {modality}, array"
    matrix = np.asarray(np.eye(3) if affine is None else affine, np.float64)
    if data.ndim != 3 or min(data.shape) < 2:
        raise CaseError("E_SHAPE", f"{where}: a volume must have 3 axes of 2 or more voxels; got {data.shape}.")
    if matrix.shape != (4, 4) or not np.isfinite(matrix).all() or abs(np.linalg.det(matrix)) < 1e-9:
        raise CaseError(
            "E_AFFINE", f"{where}: affine must be an invertible 4 x 4 matrix; got {affine!r}. Pass affine=."
        )
    try:
        grid, grid_warnings = _place_array((data.shape[0], data.shape[1], data.shape[2]), matrix)
        data, warnings = check_intensities(data)
    except CaseError as error:
        raise CaseError(error.code, f"{where}: {error}") from error
    return Volume(data, grid, Path("array"), hashlib.sha256(data.tobytes()).hexdigest(), grid_warnings + warnings)


def _place_array(shape: tuple[int, int, int], affine: NDArray[np.float64]) -> tuple[Grid, tuple[str, ...]]:
    """Hold an affine to the rules for an sform: voxel sizes that MRI has, and perpendicular axes."""
    placed, warnings = place(replace(grid_from_affine(shape, affine).header, qform_code=0), shape)
    return grid_from_affine(shape, placed.affine), warnings


def _background_warning(image: NDArray[np.float32]) -> tuple[str, ...]:
    """Warn where most of the volume's faces hold signal: heads that are not skull-stripped look like that."""
    nonzero = (image != 0).any(axis=0)
    faces = np.concatenate([np.take(nonzero, index, axis).ravel() for axis in range(3) for index in (0, -1)])
    share = float(nonzero.mean())
    if faces.mean() < 0.5 and share < 0.7:
        return ()
    return (
        f"{share:.0%} of the voxels and {faces.mean():.0%} of the volume's faces are not zero: the exam does not look "
        "skull-stripped, and the network knows only skull-stripped brains",
    )


def _label_file(source: Any, case_id: str) -> Path | None:
    return None if isinstance(source, Mapping) else find_label(Path(source), case_id)


def _case_id(source: Any) -> str:
    if not isinstance(source, Mapping):
        return Path(source).name
    files = [Path(value) for value in source.values() if isinstance(value, str | Path)]
    return case_name(files[0]) if files else "case"


def _name(value: Any) -> str:
    return str(value) if isinstance(value, str | Path) else "array"
