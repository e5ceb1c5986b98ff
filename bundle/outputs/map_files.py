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
        return map_names(case.case_id, self._kinds.acquired(case))

    def possible_names(self, case_id: str) -> tuple[str, ...]:
        """Name the files of all modalities, means and those of the regions."""
        return map_names(case_id, self._kinds.possible())

    def maps(self, result: CaseResult) -> Maps:
        """Return the maps, (H, W, D) float32 in [0, 1]."""
        return self._kinds.named(result.weights, result.record)

    def write(self, folder: Path, result: CaseResult) -> None:
        """Write the files, rounded to half precision: their sum is 1 but for a 2048th.

        Raises:
            CaseError: E_NOT_FINITE.
        """
        write_maps(folder, self.maps(result), result.record, to_half=True)

    @property
    def _kinds(self) -> "_ModalityKinds":
        return _ModalityKinds("weight", self.task, self.per_region)


@dataclass(frozen=True, eq=False)
class ContributionFiles:
    """What each acquired modality contributed, and by which of them a voxel was decided."""

    task: Task
    chosen: Contributions = Contributions.shares

    def names(self, case: CaseRecord) -> tuple[str, ...]:
        """Name the files."""
        return map_names(case.case_id, [*self._kinds.acquired(case), DECIDED_BY])

    def possible_names(self, case_id: str) -> tuple[str, ...]:
        """Name the files of all modalities, means and those of the regions."""
        return map_names(case_id, [*self._kinds.possible(), DECIDED_BY])

    def maps(self, result: CaseResult) -> Maps:
        """Return the maps, (H, W, D) float32 in [-1, 1] and uint8; none if none were made."""
        if result.contributions is None or result.decided_by is None:
            return {}
        shares = self._kinds.named(result.contributions, result.record)
        return {**shares, DECIDED_BY: result.decided_by}

    def write(self, folder: Path, result: CaseResult) -> None:
        """Write the files, the shares rounded to half precision.

        Raises:
            CaseError: E_NOT_FINITE.
        """
        shares = self.maps(result)
        decided = {DECIDED_BY: shares.pop(DECIDED_BY)}
        write_maps(folder, shares, result.record, to_half=True)
        write_maps(folder, decided, result.record)

    @property
    def _kinds(self) -> "_ModalityKinds":
        return _ModalityKinds("contribution", self.task, self.chosen.has_regions)


@dataclass(frozen=True)
class _ModalityKinds:
    """The kinds of maps of which each modality has one, or one per region."""

    first: str
    task: Task
    per_region: bool

    def acquired(self, case: CaseRecord) -> list[str]:
        """List those of a case's modalities."""
        modality_of = self._modality_of(per_region=self.per_region)
        return [kind for kind, modality in modality_of.items() if modality in case.modalities]

    def possible(self) -> list[str]:
        """List those of all modalities, means and those of the regions."""
        return [kind for flag in (False, True) for kind in self._modality_of(per_region=flag)]

    def named(self, values: NDArray[Any], case: CaseRecord) -> Maps:
        """Name the maps of a case's modalities among those of all, (M, ...) or (M * R, ...)."""
        maps = dict(zip(self._modality_of(per_region=self.per_region), values, strict=True))
        return {kind: maps[kind] for kind in self.acquired(case)}

    def _modality_of(self, *, per_region: bool) -> dict[str, str]:
        """Return kinds in the order of the channels, with the modality of each."""
        endings = [f"-{region}" for region in self.task.region_names] if per_region else [""]
        return {
            f"{self.first}-{modality}{ending}": modality
            for modality in self.task.modality_names
            for ending in endings
        }


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
