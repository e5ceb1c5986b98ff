"""The result of a case as DICOM objects beside its maps: what is written, and when it cannot be."""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from bundle.cases.case_record import CaseRecord
from bundle.files.dicom_file import EXTRA
from bundle.files.extras import missing
from bundle.outputs.case_result import CaseResult
from bundle.outputs.dicom.reference import Reference
from bundle.tasks.task import Task

_NEEDED = ("highdicom", "pydicom")


@dataclass(frozen=True, eq=False)
class DicomFiles:
    """``CASE_seg.dcm`` and ``CASE_report.dcm``, on the series of the case's reference.

    Attributes:
        task: of the network.
        weights_sha256: of the network's weights.
    """

    task: Task
    weights_sha256: str

    def names(self, case: CaseRecord) -> tuple[str, ...]:
        """Name the files."""
        return self.possible_names(case.case_id)

    def possible_names(self, case_id: str) -> tuple[str, ...]:
        """Name the files."""
        return (f"{case_id}_seg.dcm", f"{case_id}_report.dcm")

    def check(self, case: CaseRecord) -> None:
        """Refuse a case that was not read from DICOM, before anything is computed.

        Raises:
            CaseError: E_DICOM_SOURCE.
        """
        Reference.of_case(case)

    def write(self, folder: Path, result: CaseResult) -> None:
        """Write segmentation and report.

        Raises:
            CaseError: E_DICOM_SOURCE, the series is gone, changed or unusable.
            OutputError: a file cannot be written.
        """
        # highdicom takes a second to load, and need not be installed.
        from bundle.outputs.dicom.writing import write_segmentation_and_report

        paths = [folder / name for name in self.names(result.record)]
        write_segmentation_and_report(paths, result, self.task, self.weights_sha256)


@dataclass(frozen=True, eq=False)
class DicomEntropyFile:
    """``CASE_entropy.dcm``, on the series of the case's reference.

    Attributes:
        weights_sha256: of the network's weights.
    """

    weights_sha256: str

    def names(self, case: CaseRecord) -> tuple[str, ...]:
        """Name the file."""
        return self.possible_names(case.case_id)

    def possible_names(self, case_id: str) -> tuple[str, ...]:
        """Name the file."""
        return (f"{case_id}_entropy.dcm",)

    def check(self, case: CaseRecord) -> None:
        """Refuse a case that was not read from DICOM, before anything is computed.

        Raises:
            CaseError: E_DICOM_SOURCE.
        """
        Reference.of_case(case)

    def write(self, folder: Path, result: CaseResult) -> None:
        """Write the parametric map.

        Raises:
            CaseError: E_DICOM_SOURCE, the series is gone, changed or unusable.
            OutputError: the file cannot be written.
        """
        from bundle.outputs.dicom.writing import write_entropy_map

        (name,) = self.names(result.record)
        write_entropy_map(folder / name, result, self.weights_sha256)


def check_dicom_installed() -> None:
    """Refuse to go on without the packages that write DICOM.

    Raises:
        SetupError: E_EXTRA.
    """
    for name in _NEEDED:
        if find_spec(name) is None:
            raise missing(name, EXTRA)
