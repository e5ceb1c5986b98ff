"""What was done to an exam before it became a case: whence each modality came, and how it moved.

It lies as ``CASE_prepare.json`` beside the images of a prepared case, and travels in its record, so
that outputs find their way back to the grid of the scan, and to its DICOM files.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bundle.volumes.geometry import Grid, HeaderGeometry

UNMOVED = tuple(tuple(row) for row in np.eye(4).tolist())

Matrix = tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class DicomSource:
    """The series that a modality was read from.

    Attributes:
        study_uid: StudyInstanceUID.
        series_uid: SeriesInstanceUID.
        description: SeriesDescription, without what names the patient.
        files: absolute paths of the instances, in the order of the slices of ``grid``.
        evidence: what tells that the series is this modality.
    """

    study_uid: str
    series_uid: str
    description: str
    files: tuple[str, ...]
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class PreparedModality:
    """One scan of a prepared exam.

    Attributes:
        file: what was read: an image, or which series of a study.
        sha256: of the image's bytes, or of those of the series' files in order.
        grid: of the scan as it was acquired.
        moved_by: (4, 4), world to world in RAS+ mm: where a point of the scan as it was acquired
            lies in the prepared case; the identity if it was left where it was.
        resampled: its voxels are interpolated.
        quality: of its registration, name to number; empty if it was not registered.
        dicom: the series; None for an image file.
    """

    file: str
    sha256: str
    grid: Grid
    moved_by: Matrix = UNMOVED
    resampled: bool = False
    quality: Mapping[str, float] = field(default_factory=dict)
    dicom: DicomSource | None = None

    @property
    def to_prepared(self) -> NDArray[np.float64]:
        """The move as an array."""
        return np.array(self.moved_by, np.float64)


@dataclass(frozen=True, eq=False)
class PreparedExam:
    """How an exam became a case.

    Attributes:
        reference: modality on whose grid the case lies, and to which the others were registered.
        modalities: those that the case has.
        left_out: modality to why the case does not have it although it was acquired.
        brain_by: what cut the brain out; empty if nothing did.
        warnings: sentences for the user.
    """

    reference: str
    modalities: Mapping[str, PreparedModality]
    left_out: Mapping[str, str] = field(default_factory=dict)
    brain_by: str = ""
    warnings: tuple[str, ...] = ()

    def to_facts(self) -> dict[str, Any]:
        """Return plain JSON facts."""
        return {
            "reference": self.reference,
            "modalities": {name: _facts(scan) for name, scan in self.modalities.items()},
            "left_out": dict(self.left_out),
            "brain_by": self.brain_by,
            "warnings": list(self.warnings),
        }

    def summary(self) -> dict[str, Any]:
        """Return what a reader of results wants to know, as plain JSON facts."""
        scans = {
            name: {
                "file": scan.file,
                "moved_by": [list(row) for row in scan.moved_by],
                "resampled": scan.resampled,
                "quality": dict(scan.quality),
                "evidence": [] if scan.dicom is None else list(scan.dicom.evidence),
            }
            for name, scan in self.modalities.items()
        }
        return {
            "reference": self.reference,
            "modalities": scans,
            "left_out": dict(self.left_out),
            "brain_by": self.brain_by,
        }

    @classmethod
    def from_facts(cls, facts: Mapping[str, Any]) -> "PreparedExam":
        """Read what ``to_facts`` gave; numbers come back bit-equal.

        Raises:
            KeyError, TypeError, ValueError: these are no such facts.
        """
        return cls(
            reference=facts["reference"],
            modalities={name: _scan(scan) for name, scan in facts["modalities"].items()},
            left_out=dict(facts["left_out"]),
            brain_by=facts["brain_by"],
            warnings=tuple(facts["warnings"]),
        )


def grid_facts(grid: Grid) -> dict[str, Any]:
    """Return a grid as plain JSON facts."""
    return {
        "shape": list(grid.shape),
        "affine": grid.affine.tolist(),
        "header": asdict(grid.header),
    }


def grid_of_facts(facts: Mapping[str, Any]) -> Grid:
    """Read what ``grid_facts`` gave."""
    header = HeaderGeometry(**{name: _tuples(value) for name, value in facts["header"].items()})
    return Grid(_tuples(facts["shape"]), np.array(facts["affine"], np.float64), header)


def _facts(scan: PreparedModality) -> dict[str, Any]:
    return {
        "file": scan.file,
        "sha256": scan.sha256,
        "grid": grid_facts(scan.grid),
        "moved_by": [list(row) for row in scan.moved_by],
        "resampled": scan.resampled,
        "quality": dict(scan.quality),
        "dicom": None if scan.dicom is None else asdict(scan.dicom),
    }


def _scan(facts: Mapping[str, Any]) -> PreparedModality:
    dicom = facts["dicom"]
    return PreparedModality(
        file=facts["file"],
        sha256=facts["sha256"],
        grid=grid_of_facts(facts["grid"]),
        moved_by=_tuples(facts["moved_by"]),
        resampled=facts["resampled"],
        quality=dict(facts["quality"]),
        dicom=None if dicom is None else DicomSource(**{k: _tuples(v) for k, v in dicom.items()}),
    )


def _tuples(value: Any) -> Any:
    """Replace the lists of JSON by tuples."""
    return tuple(_tuples(item) for item in value) if isinstance(value, list | tuple) else value
