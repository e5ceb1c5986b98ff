"""The label map on the grid on which a scan of a prepared case was acquired."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bundle.cases.case_record import CaseRecord
from bundle.cases.prepared_exam import PreparedModality
from bundle.errors import CaseError
from bundle.outputs.case_result import CaseResult
from bundle.outputs.map_files import map_names
from bundle.tasks.numberings import Numbering
from bundle.tasks.task import THRESHOLD, Task
from bundle.volumes.nifti_output import write_volume
from bundle.volumes.regridding import resampled_to


@dataclass(frozen=True, eq=False)
class NativeLabelFile:
    """``CASE_seg-on-MODALITY.nii.gz``, of the regions' probabilities at the scan's voxels.

    Attributes:
        task: of the network.
        numbering: of the label map on disk.
        modality: whose grid it is.
    """

    task: Task
    numbering: Numbering
    modality: str

    def names(self, case: CaseRecord) -> tuple[str, ...]:
        """Name the file."""
        return map_names(case.case_id, [f"seg-on-{self.modality}"])

    def possible_names(self, case_id: str) -> tuple[str, ...]:
        """Name the files on the grids of all modalities."""
        return map_names(case_id, [f"seg-on-{name}" for name in self.task.modality_names])

    def check(self, case: CaseRecord) -> None:
        """Refuse a case of which nobody says where the scan was acquired.

        Raises:
            CaseError: E_NATIVE_GRID.
        """
        self._scan(case)

    def write(self, folder: Path, result: CaseResult) -> None:
        """Write the file.

        Raises:
            CaseError: E_NATIVE_GRID.
            OutputError: it cannot be written.
        """
        record, scan = result.record, self._scan(result.record)
        assert result.probabilities is not None
        regions = [
            resampled_to(scan.grid, region, record.grid, scan.to_prepared) > THRESHOLD
            for region in result.probabilities
        ]
        label: NDArray[np.uint8] = self.task.regions_to_labels(np.stack(regions))
        (name,) = self.names(record)
        write_volume(folder / name, self.numbering.write(label), scan.grid, description="seg")

    def _scan(self, case: CaseRecord) -> PreparedModality:
        scans = {} if case.prepared is None else case.prepared.modalities
        if self.modality not in scans:
            raise CaseError(
                "E_NATIVE_GRID",
                f"Case {case.case_id}: a result on the grid of {self.modality} needs to know where"
                f" that scan was acquired; got {', '.join(scans) or 'a case that was not prepared'}"
                ". Add --prepare, or leave --on out.",
            )
        return scans[self.modality]
