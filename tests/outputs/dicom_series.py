"""Draws small MR series as scanners write them, and the records of cases that were read of them."""

import hashlib
from pathlib import Path

import numpy as np
import torch
from pydicom import Dataset, FileDataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid
from scipy.spatial.transform import Rotation

from bundle.cases.case_record import CaseRecord
from bundle.cases.prepared_exam import DicomSource, PreparedExam, PreparedModality
from bundle.tasks.default import DEFAULT_TASK
from bundle.volumes.geometry import grid_from_affine

NAME, BIRTH_DATE, PATIENT_ID = "Sample^Jane", "19610203", "SECRET-77"
SHAPE = (9, 7, 6)
PLANES = {  # directions of rows and columns, LPS
    "axial": ((1, 0, 0), (0, 1, 0)),
    "sagittal": ((0, 1, 0), (0, 0, -1)),
    "coronal": ((1, 0, 0), (0, 0, -1)),
}
SERIES = {
    "axial": {},
    "reversed": {"step": -2.5},
    "sagittal": {"plane": "sagittal"},
    "oblique": {"degrees": (12, -8, 25), "step": -3.0},
    "anisotropic": {"plane": "coronal", "pixel_mm": (0.7, 1.3), "step": 4.0, "degrees": (0, 9, 0)},
}


def write_series(
    folder: Path, *, plane="axial", pixel_mm=(1.25, 0.75), step=2.5, degrees=(0, 0, 0), **changes
) -> list[Path]:
    """Write a series of SHAPE (columns, rows, images) and return its files in the order of places."""
    folder.mkdir(parents=True, exist_ok=True)
    turn = Rotation.from_euler("xyz", degrees, degrees=True).as_matrix()
    row, column = (turn @ direction for direction in PLANES[plane])
    series = {"StudyInstanceUID": generate_uid(), "SeriesInstanceUID": generate_uid()}
    series |= {"FrameOfReferenceUID": generate_uid(), **changes}
    files = []
    for index in range(SHAPE[2]):
        place = np.array([-31.25, 17.5, 8.75]) + index * step * np.cross(row, column)
        image = _image(index, series)
        image.ImagePositionPatient = [round(float(value), 6) for value in place]
        image.ImageOrientationPatient = [round(float(value), 9) for value in (*row, *column)]
        image.PixelSpacing = list(pixel_mm)
        image.SliceThickness = abs(step)
        files.append(folder / f"IM{index:04d}")
        image.save_as(files[-1], enforce_file_format=True)
    return files


def _image(index: int, series: dict) -> Dataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = MRImageStorage, generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    image = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    image.SOPClassUID, image.SOPInstanceUID = MRImageStorage, meta.MediaStorageSOPInstanceUID
    image.PatientName, image.PatientID, image.PatientBirthDate = NAME, PATIENT_ID, BIRTH_DATE
    image.PatientSex, image.StudyDate, image.StudyTime = "F", "20240305", "101112"
    image.AccessionNumber, image.StudyID, image.ReferringPhysicianName = "ACC9", "1", ""
    image.Modality, image.Manufacturer, image.SeriesNumber = "MR", "Drawn", 4
    image.SeriesDescription, image.InstanceNumber = "T1 MPRAGE POST", index + 1
    image.PositionReferenceIndicator = ""
    image.ImageType = ["ORIGINAL", "PRIMARY", "M"]
    image.ScanningSequence, image.SequenceVariant, image.ScanOptions = "GR", "SP", ""
    image.MRAcquisitionType, image.EchoTime, image.EchoTrainLength = "3D", 3.0, 1
    image.RepetitionTime = 1800.0
    image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
    image.Columns, image.Rows = SHAPE[:2]
    image.BitsAllocated, image.BitsStored, image.HighBit, image.PixelRepresentation = 16, 12, 11, 0
    pixels = np.random.default_rng(index).integers(0, 900, SHAPE[1::-1], dtype=np.uint16)
    image.PixelData = pixels.tobytes()
    for name, value in series.items():
        setattr(image, name, value)
    return image


def affine_of(files: list[Path]) -> np.ndarray:
    """Return where the voxels (column, row, image) of files lie, RAS+ mm, computed image by image."""
    from pydicom import dcmread

    images = [dcmread(file) for file in files]
    columns = [[0, 0, 0], [1, 0, 0], [0, 1, 0]]
    corners = np.array([_patient_point(images[0], *voxel[:2]) for voxel in columns])
    affine = np.eye(4)
    affine[:3, 0], affine[:3, 1] = corners[1] - corners[0], corners[2] - corners[0]
    affine[:3, 2] = _patient_point(images[1], 0, 0) - corners[0]
    affine[:3, 3] = corners[0]
    return np.diag([-1.0, -1, 1, 1]) @ affine


def _patient_point(image: Dataset, column: int, row: int) -> np.ndarray:
    """Apply equation C.7.6.2.1-1 of DICOM PS3.3."""
    along_row = np.array(image.ImageOrientationPatient[:3], float)
    along_column = np.array(image.ImageOrientationPatient[3:], float)
    between_rows, between_columns = image.PixelSpacing
    start = np.array(image.ImagePositionPatient, float)
    return start + along_row * between_columns * column + along_column * between_rows * row


def blocks(shape) -> np.ndarray:
    """One block per label, of different sizes, none in the middle of any axis."""
    label = np.zeros(shape, np.uint8)
    label[0:2, 1:4, 0:2], label[2:4, 0:1, 3:6], label[4, 3:5, 2:3] = 1, 2, 3
    return label


def prepared_record(files, grid, *, modality="t1c", native=None, moved_by=None, case_id="case7"):
    """Return the record of a case on a grid, of which one modality was read from a series."""
    digest = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
    native = native or grid_from_affine(SHAPE, affine_of(sorted(files)))
    source = DicomSource("1.2", "1.3", "T1 MPRAGE POST", tuple(map(str, files)))
    move = np.eye(4) if moved_by is None else moved_by
    scan = PreparedModality(
        str(files[0].parent), digest, native, tuple(map(tuple, move.tolist())), dicom=source
    )
    exam = PreparedExam(modality, {modality: scan})
    inputs = {modality: {"file": f"/data/{modality}.nii.gz", "sha256": "ab" * 32}}
    return CaseRecord(case_id, inputs, (), grid, (), exam)


def computed(record: CaseRecord, label: np.ndarray, entropy=None, task=DEFAULT_TASK) -> dict:
    """Return a case as it comes to the writer."""
    entropy = np.zeros(label.shape, np.float32) if entropy is None else entropy
    return {
        "pred": torch.from_numpy(label)[None],
        "entropy": torch.from_numpy(entropy)[None],
        "weights": torch.full((task.n_modalities, *label.shape), 1.0),
        "record": record.to_json(),
        "result": {"case_id": record.case_id},
    }
