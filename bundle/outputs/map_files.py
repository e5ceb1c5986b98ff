"""The maps of a case and the files that they become: label map, entropy, weights."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from bundle.cases.case_record import CaseRecord
from bundle.errors import CaseError
from bundle.outputs.case_output import CaseOutput
from bundle.outputs.case_result import CaseResult
from bundle.tasks.contributions import Contributions
from bundle.tasks.numberings import Numbering
from bundle.tasks.task import Task
from bundle.volumes.nifti_output import write_volume

DECIDED_BY = "decided-by"
"""Name of the map of the modalities that decided."""

Maps = dict[str, NDArray[Any]]
"""Name, such as ``seg`` or ``weight-t1c``, to (H, W, D)."""


class MapOutput(CaseOutput, Protocol):
    """An output of which the files are maps, ``CASE_NAME.nii.gz``."""

    def maps(self, result: CaseResult) -> Maps:
        """Return the maps of a case by their names."""


@dataclass(frozen=True, eq=False)
class LabelMapFile:
    """The label map, uint8, as a numbering has it on disk."""

    numbering: Numbering

    def names(self, case: CaseRecord) -> tuple[str, ...]:
        """Name the file."""
        return self.possible_names(case.case_id)

    def possible_names(self, case_id: str) -> tuple[str, ...]:
        """Name the file."""
        return map_names(case_id, ["seg"])

    def maps(self, result: CaseResult) -> Maps:
        """Return the label map as it stands on disk."""
        return {"seg": self.numbering.write(result.label)}

    def write(self, folder: Path, result: CaseResult) -> None:
        """Write the file."""
        write_maps(folder, self.maps(result), result.record)


@dataclass(frozen=True, eq=False)
class EntropyFiles:
    """The largest entropy of the regions' decisions, and one map per region if asked for."""

    task: Task
    per_region: bool = False

    def names(self, case: CaseRecord) -> tuple[str, ...]:
        """Name the files."""
        return map_names(case.case_id, self._kinds(per_region=self.per_region))

    def possible_names(self, case_id: str) -> tuple[str, ...]:
        """Name the files, those of the regions too."""
        return map_names(case_id, self._kinds(per_region=True))

    def maps(self, result: CaseResult) -> Maps:
        """Return the maps, (H, W, D) float32, in bits."""
        kinds = self._kinds(per_region=self.per_region)
        return dict(zip(kinds, result.entropy, strict=True))

    def write(self, folder: Path, result: CaseResult) -> None:
        """Write the files.

        Raises:
            CaseError: E_NOT_FINITE.
        """
        write_maps(folder, self.maps(result), result.record)

    def _kinds(self, *, per_region: bool) -> list[str]:
        regions = self.task.region_names if per_region else ()
        return ["entropy", *(f"entropy-{region}" for region in regions)]


@dataclass(frozen=True, eq=False)
class WeightFiles:
    """The share of each acquired modality: means over the regions, or one map per region."""

    task: Task
    per_region: bool = False

    def names(self, case: CaseRecord) -> tuple[str, ...]:
        """Name the files."""
        kinds = self._kinds(per_region=self.per_region)
        chosen = [kind for kind, modality in kinds.items() if modality in case.modalities]
        return map_names(case.case_id, chosen)

    def possible_names(self, case_id: str) -> tuple[str, ...]:
        """Name the files of all modalities, means and those of the regions."""
        kinds = self._kinds(per_region=False) | self._kinds(per_region=True)
        return map_names(case_id, kinds)

    def maps(self, result: CaseResult) -> Maps:
        """Return the maps, (H, W, D) float32 in [0, 1]."""
        kinds = self._kinds(per_region=self.per_region)
        acquired = result.record.modalities
        maps = zip(kinds.items(), result.weights, strict=True)
        return {kind: values for (kind, modality), values in maps if modality in acquired}

    def write(self, folder: Path, result: CaseResult) -> None:
        """Write the files, rounded to half precision: their sum is 1 but for a 2048th.

        Raises:
            CaseError: E_NOT_FINITE.
        """
        write_maps(folder, self.maps(result), result.record, to_half=True)

    def _kinds(self, *, per_region: bool) -> dict[str, str]:
        """Return kinds of maps in the order of the channels, with the modality of each."""
        return _modality_kinds("weight", self.task, per_region=per_region)


@dataclass(frozen=True, eq=False)
class ContributionFiles:
    """What each acquired modality contributed, and by which of them a voxel was decided."""

    task: Task
    chosen: Contributions = Contributions.shares

    def names(self, case: CaseRecord) -> tuple[str, ...]:
        """Name the files."""
        kinds = self._kinds(per_region=self.chosen.has_regions)
        acquired = [kind for kind, modality in kinds.items() if modality in case.modalities]
        return map_names(case.case_id, [*acquired, DECIDED_BY])

    def possible_names(self, case_id: str) -> tuple[str, ...]:
        """Name the files of all modalities, means and those of the regions."""
        kinds = self._kinds(per_region=False) | self._kinds(per_region=True)
        return map_names(case_id, [*kinds, DECIDED_BY])

    def maps(self, result: CaseResult) -> Maps:
        """Return the maps, (H, W, D) float32 in [-1, 1] and uint8; none if none were made."""
        if result.contributions is None or result.decided_by is None:
            return {}
        kinds = self._kinds(per_region=self.chosen.has_regions)
        acquired = result.record.modalities
        pairs = zip(kinds.items(), result.contributions, strict=True)
        maps: Maps = {kind: values for (kind, modality), values in pairs if modality in acquired}
        return {**maps, DECIDED_BY: result.decided_by}

    def write(self, folder: Path, result: CaseResult) -> None:
        """Write the files, the shares rounded to half precision.

        Raises:
            CaseError: E_NOT_FINITE.
        """
        shares = self.maps(result)
        decided = {DECIDED_BY: shares.pop(DECIDED_BY)}
        write_maps(folder, shares, result.record, to_half=True)
        write_maps(folder, decided, result.record)

    def _kinds(self, *, per_region: bool) -> dict[str, str]:
        return _modality_kinds("contribution", self.task, per_region=per_region)


def _modality_kinds(first: str, task: Task, *, per_region: bool) -> dict[str, str]:
    """Return kinds of maps in the order of the channels, with the modality of each."""
    kinds: dict[str, str] = {}
    for modality in task.modality_names:
        endings = [f"-{region}" for region in task.region_names] if per_region else [""]
        kinds |= {f"{first}-{modality}{ending}": modality for ending in endings}
    return kinds


def map_names(case_id: str, kinds: Iterable[str]) -> tuple[str, ...]:
    """Name the files of maps."""
    return tuple(f"{case_id}_{kind}.nii.gz" for kind in kinds)


def write_maps(folder: Path, maps: Maps, record: CaseRecord, *, to_half: bool = False) -> None:
    """Write maps on the grid of a case.

    Args:
        folder: exists.
        maps: finite.
        record: of the case.
        to_half: float32 is rounded to half precision.

    Raises:
        CaseError: E_NOT_FINITE, a voxel is no number.
        OutputError: a file cannot be written.
    """
    for kind, values in maps.items():
        _check_finite(kind, values, record.case_id)
        (name,) = map_names(record.case_id, [kind])
        write_volume(folder / name, values, record.grid, description=kind, to_half=to_half)


def _check_finite(kind: str, values: NDArray[Any], case_id: str) -> None:
    """Refuse a map in which a voxel is no number.

    Raises:
        CaseError: E_NOT_FINITE.
    """
    if np.isfinite(values.sum(dtype=np.float64)):  # which no sum of float32 exceeds
        return
    n_bad = values.size - int(np.isfinite(values).sum())
    raise CaseError(
        "E_NOT_FINITE",
        f"Case {case_id}: every voxel of the map {kind} must be a number; got {n_bad} that are"
        " not. Look at the intensities of the images; on a GPU try --device cpu.",
    )
