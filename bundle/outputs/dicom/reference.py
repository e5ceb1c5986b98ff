"""What a case's record says of the DICOM series that results are written on; reads no file."""

from dataclasses import dataclass

from bundle.cases.case_record import CaseRecord
from bundle.errors import CaseError
from bundle.volumes.geometry import Affine


@dataclass(frozen=True, eq=False)
class Reference:
    """The series of the reference modality.

    Attributes:
        case_id: for messages.
        modality: for messages, which name neither file nor folder: exports from an archive are
            called after patients.
        files: of the series, in the order of which ``sha256`` was taken.
        sha256: of the files' bytes.
        moved_by: (4, 4), world to world in RAS+ mm, from the series to the prepared case.
    """

    case_id: str
    modality: str
    files: tuple[str, ...]
    sha256: str
    moved_by: Affine

    @classmethod
    def of_case(cls, record: CaseRecord) -> "Reference":
        """Find the series in a case's record.

        Raises:
            CaseError: E_DICOM_SOURCE, the case was not read from DICOM.
        """
        exam = record.prepared
        scan = None if exam is None else exam.modalities.get(exam.reference)
        if exam is None or scan is None or scan.dicom is None:
            raise CaseError(
                "E_DICOM_SOURCE",
                f"Case {record.case_id}: DICOM results must lie on a DICOM series; got a case that"
                " was not read from one. Give the folder of the study, or leave out --dicom.",
            )
        files, moved_by = scan.dicom.files, scan.to_prepared
        return cls(record.case_id, exam.reference, files, scan.sha256, moved_by)

    def error(self, got: str) -> CaseError:
        """Say that the series cannot be used."""
        return CaseError(
            "E_DICOM_SOURCE",
            f"Case {self.case_id}, {self.modality}: the images of its DICOM series must be those"
            f" that were prepared, and a stack; {got}.",
        )
