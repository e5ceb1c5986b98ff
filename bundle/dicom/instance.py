"""What a DICOM file says of its image; whose it is, only as a digest that tells patients apart."""

from dataclasses import dataclass
from pathlib import Path

Triple = tuple[float, float, float]


@dataclass(frozen=True)
class Place:
    """Where one slice lies, and what its numbers mean.

    Attributes:
        position: of the centre of its first voxel, LPS mm; None if the header does not say.
        orientation: directions of its rows and of its columns, LPS; None if it does not say.
        spacing: between its rows and between its columns, mm; None if it does not say.
        thickness_mm: of the slice; None if it does not say.
        slope: what stored values are multiplied by.
        intercept: what is added then.
    """

    position: Triple | None
    orientation: tuple[float, ...] | None
    spacing: tuple[float, float] | None
    thickness_mm: float | None
    slope: float = 1.0
    intercept: float = 0.0


@dataclass(frozen=True)
class Measured:
    """How an image was measured; None and nothing where the header does not say.

    Attributes:
        te: echo time, ms.
        tr: repetition time, ms.
        ti: inversion time, ms; None also where it is 0.
        sequence: ScanningSequence.
        dimensions: MRAcquisitionType, ``2D`` or ``3D``.
        b_value: of diffusion, s/mm2.
    """

    te: float | None = None
    tr: float | None = None
    ti: float | None = None
    sequence: tuple[str, ...] = ()
    dimensions: str = ""
    b_value: float | None = None

    @property
    def inversion(self) -> bool | None:
        """Whether an inversion pulse comes first; None if that is not known."""
        if self.ti is not None or "IR" in self.sequence:
            return True
        return False if self.sequence and "RM" not in self.sequence else None


@dataclass(frozen=True)
class Pixels:
    """The voxels of an image, as the header describes them.

    Attributes:
        rows: 0 where there is no image.
        columns: 0 where there is no image.
        frames: slices of the file.
        samples: per voxel; 3 for colours.
        missing: what is wrong with the stored bytes; empty if nothing is.
        burned_in: annotations are burnt in.
    """

    rows: int
    columns: int
    frames: int
    samples: int
    missing: str
    burned_in: bool


@dataclass(frozen=True)
class Instance:
    """One DICOM file.

    Attributes:
        path: of the file.
        sop_class: SOPClassUID.
        sop_uid: SOPInstanceUID.
        study_uid: StudyInstanceUID.
        series_uid: SeriesInstanceUID.
        patient: a digest of the patient's identity; empty if the file has none.
        scanner: Modality, such as ``MR``.
        number: SeriesNumber.
        description: SeriesDescription, without what names the patient.
        protocol: ProtocolName, without what names the patient.
        image_type: ImageType.
        measured: how.
        agent: whether a contrast agent was given; None if the header does not say.
        time: of the acquisition, digits that sort; empty if the header does not say.
        pixels: its voxels.
        places: of its slices.
    """

    path: Path
    sop_class: str
    sop_uid: str
    study_uid: str
    series_uid: str
    patient: str
    scanner: str
    number: int | None
    description: str
    protocol: str
    image_type: tuple[str, ...]
    measured: Measured
    agent: bool | None
    time: str
    pixels: Pixels
    places: tuple[Place, ...]
