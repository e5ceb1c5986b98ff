"""Small MR instances with a name that must not leave them."""

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage

STUDY = "1.2.826.0.1.3680043.8.498.1"
NAME = "Mustermann^Erika"


def instance(series: int, number: int, study: str = STUDY) -> Dataset:
    """A slice of 4 x 5 pixels."""
    image = Dataset()
    image.file_meta = FileMetaDataset()
    image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    image.file_meta.MediaStorageSOPClassUID = image.SOPClassUID = MRImageStorage
    uid = f"{study}.{series}.{number}"
    image.file_meta.MediaStorageSOPInstanceUID = image.SOPInstanceUID = uid
    image.StudyInstanceUID, image.SeriesInstanceUID = study, f"{study}.{series}"
    image.PatientName, image.PatientID = NAME, "4711"
    image.PatientBirthDate = image.PatientSex = image.StudyDate = image.StudyTime = ""
    image.AccessionNumber = image.ReferringPhysicianName = image.StudyID = ""
    image.Modality, image.SeriesNumber, image.InstanceNumber = "MR", series, number
    image.Rows, image.Columns, image.SamplesPerPixel = 4, 5, 1
    image.PhotometricInterpretation = "MONOCHROME2"
    image.BitsAllocated, image.BitsStored, image.HighBit, image.PixelRepresentation = 16, 12, 11, 0
    image.PixelData = np.full((4, 5), 10 * series + number, np.uint16).tobytes()
    return image


def save_study(folder, study: str = STUDY) -> list:
    """Two series of three slices."""
    files = []
    for series in (1, 2):
        for number in (1, 2, 3):
            file = folder / f"{series}_{number}.dcm"
            folder.mkdir(parents=True, exist_ok=True)
            instance(series, number, study).save_as(file, enforce_file_format=True)
            files.append(file)
    return files
