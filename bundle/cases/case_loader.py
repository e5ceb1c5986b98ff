"""Reads a case, whatever modalities it has, into the dictionary that travels through the
project.
"""

from collections.abc import Hashable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.data import MetaTensor
from monai.transforms import Transform

from bundle.cases.background_warnings import background_warnings
from bundle.cases.case_record import CaseRecord
from bundle.cases.case_volumes import read_case_volumes
from bundle.cases.label_map import LabelMap, read_label_map
from bundle.cases.memory_needs import check_memory
from bundle.cases.naming_warnings import naming_warnings
from bundle.cases.prepared_exam import PreparedExam
from bundle.cases.prepared_file import find_prepared
from bundle.datasets.case_files import case_files, case_label
from bundle.datasets.decathlon import Channel
from bundle.errors import CaseError
from bundle.names.case_ids import folder_name
from bundle.names.file_names import case_name
from bundle.tasks.default import DEFAULT_TASK
from bundle.tasks.numberings import AUTO
from bundle.tasks.task import Task
from bundle.volumes.common_grid import check_distinct, on_one_grid, turned_voxels, turning_warnings
from bundle.volumes.geometry import Grid
from bundle.volumes.image_volume import Volume

DESCRIPTION_KEYS = frozenset(
    {
        "case_id",
        "image",
        "affine",
        "modalities",
        "patterns",
        "label",
        "label_convention",
        "patient",
        "part",
        "fold",
        "problem",
    }
)
"""What a listed case may say about itself; `LoadCased` consumes these keys."""


class LoadCased(Transform):
    """Load the modalities that a case has; the channels of the others are 0 and marked absent.

    Presence is decided here, once, from which files exist. An all-zero file is an error, never an
    absent
    modality: truncated files are read as zeros by other software.

    Args:
        with_label: also read the expert segmentation into ``label``, (R, H, W, D) regions.
        label_convention: name of a numbering of the task, or ``auto`` to take the case's own, or
            else to tell it from the names and the values in the file.
        task: whose modalities and regions the case has.
    """

    def __init__(
        self,
        with_label: bool = False,
        label_convention: str = AUTO,
        *,
        task: Task = DEFAULT_TASK,
    ) -> None:
        if label_convention != AUTO and label_convention not in task.numberings:
            known = ", ".join((AUTO, *task.numberings))
            raise ValueError(f"label_convention must be one of {known}; got {label_convention!r}.")
        self.with_label = with_label
        self.label_convention = label_convention
        self.task = task

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Load one case.

        Args:
            data: ``image`` is anything that ``case_files.case_files`` takes (a mapping, a folder,
                files named as in BraTS, one file with ``modalities``), or a mapping from modality
                to array (H, W, D); arrays need ``affine`` (4, 4), voxel to world in RAS+ mm.
                ``case_id`` is optional with files; ``label`` and ``label_convention`` are the
                expert segmentation and its numbering.

        Returns:
            ``case_id``, ``image`` (M, H, W, D) float32 with metadata, ``presence`` (M,) bool,
            ``record`` (JSON, see ``CaseRecord``) and, if asked for, ``label``. Other keys, such as
            the options of a MONAI Label request, pass through unchanged.

        Raises:
            CaseError: a file cannot be used; the message names case, file and way out.
        """
        return self.load(data)[0]

    def load(self, data: Mapping[Hashable, Any]) -> tuple[dict[Hashable, Any], LabelMap | None]:
        """Load one case, as a call does, and with it the label map that its regions are made of.

        Returns:
            The case, and its label map on the grid of the case; None without a label.

        Raises:
            CaseError: as for a call.
        """
        case_id = str(data.get("case_id") or _case_id(data["image"], self.task))
        try:
            return self._load({**data, "case_id": case_id}, case_id)
        except MemoryError as error:
            raise CaseError(
                "E_MEMORY",
                f"{case_id}: the case must fit into memory; got no more of it. Close other"
                " programs, or resample the images to 1 mm.",
            ) from error

    def _load(
        self, item: Mapping[Hashable, Any], case_id: str
    ) -> tuple[dict[Hashable, Any], LabelMap | None]:
        files = case_files(item, task=self.task)
        if not self.with_label:  # training cuts windows, and evaluation keeps no maps
            check_memory(files, case_id)
        volumes = on_one_grid(
            read_case_volumes(files, case_id, item.get("affine"), self.task), case_id
        )
        check_distinct(volumes, case_id=case_id)
        label = self._label(item, next(iter(volumes.values())).grid) if self.with_label else None
        warnings = naming_warnings(item, files, self.task)
        warnings += tuple(f"label: {text}" for text in (label.warnings if label else ()))
        case = _case(case_id, files, volumes, warnings, self.task)
        if label is not None:
            regions = torch.from_numpy(self.task.labels_to_regions(label.values))
            case["label"] = MetaTensor(regions, affine=case["image"].affine)
        others = {key: value for key, value in item.items() if key not in DESCRIPTION_KEYS}
        return {**others, **case}, label

    def _label(self, item: Mapping[Any, Any], grid: Grid) -> LabelMap:
        case_id, path = item["case_id"], case_label(item, task=self.task)
        if path is None:
            raise CaseError(
                "E_NO_LABEL", f"Case {case_id}: a label file CASE-seg.nii.gz must exist. Add it."
            )
        declared = self.declared_numbering(item)
        label = read_label_map(path, case_id=case_id, declared=declared, task=self.task)
        values = turned_voxels(label.values, label.grid, grid)
        if values is None:
            raise CaseError(
                "E_GRID",
                f"Case {case_id}: the label {path} must lie on the grid of the images. Resample it"
                " with nearest neighbour.",
            )
        return replace(
            label,
            values=values,
            grid=grid,
            warnings=label.warnings + turning_warnings(label.grid, grid),
        )

    def declared_numbering(self, item: Mapping[Any, Any]) -> str | None:
        """Return the numbering that is declared for a case's label: for all cases, or by the case.

        None if neither.
        """
        return (
            item.get("label_convention") if self.label_convention == AUTO else self.label_convention
        )


def _case(
    case_id: str,
    files: Mapping[str, Any],
    volumes: Mapping[str, Volume],
    more_warnings: tuple[str, ...],
    task: Task,
) -> dict[Hashable, Any]:
    grid = next(iter(volumes.values())).grid
    # Files have their first axis fastest: so is it here, and what is cropped later is turned later.
    image = np.zeros((task.n_modalities, *grid.shape[::-1]), np.float32).transpose(0, 3, 2, 1)
    for modality, volume in volumes.items():
        image[task.modality_names.index(modality)] = volume.data
    warnings = tuple(
        f"{modality}: {text}" for modality, volume in volumes.items() for text in volume.warnings
    )
    if task.skull_stripped:
        warnings += background_warnings(volumes)
    warnings += more_warnings
    inputs = {
        modality: _input(files[modality], volume.sha256) for modality, volume in volumes.items()
    }
    prepared, stale = _prepared(files, volumes)
    if prepared is not None:
        warnings += prepared.warnings
    warnings += (stale,) if stale else ()
    missing = tuple(modality for modality in task.modality_names if modality not in volumes)
    first = _name(next(iter(files.values())))
    meta = {
        "filename_or_obj": first,
        "original_affine": grid.affine.copy(),
        "spatial_shape": np.array(grid.shape),
    }
    return {
        "case_id": case_id,
        "image": MetaTensor(
            torch.from_numpy(image), affine=torch.from_numpy(grid.affine), meta=meta
        ),
        "presence": torch.tensor(task.presence_flags(volumes)),
        "record": CaseRecord(case_id, inputs, warnings, grid, missing, prepared).to_json(),
    }


def _prepared(
    files: Mapping[str, Any], volumes: Mapping[str, Volume]
) -> tuple[PreparedExam | None, str]:
    """Find out how the images of a case were prepared, and what is to be said of that."""
    if not all(isinstance(file, str | Path) for file in files.values()):
        return None, ""
    return find_prepared({name: (Path(files[name]), one.sha256) for name, one in volumes.items()})


def _case_id(source: Any, task: Task) -> str:
    if isinstance(source, str | Path):
        path = Path(source).absolute()
        return case_name(path, task=task) if path.is_file() else folder_name(path)
    values = source.values() if isinstance(source, Mapping) else source
    files = [
        Path(_name(value)).absolute() for value in values if isinstance(value, str | Path | Channel)
    ]
    return case_name(*files, task=task) if files else "case"


def _input(value: Any, sha256: str) -> dict[str, Any]:
    channel = (
        {"channel": value.position, "n_channels": value.n_volumes}
        if isinstance(value, Channel)
        else {}
    )
    return {"file": _name(value), "sha256": sha256, **channel}


def _name(value: Any) -> str:
    if isinstance(value, Channel):
        return str(value.file)
    return str(value) if isinstance(value, str | Path) else "array"
