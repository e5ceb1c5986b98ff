"""Puts the files of a single-frame MR series into one multi-frame object, as newer scanners do."""

import copy
from pathlib import Path

import pydicom
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import generate_uid

ENHANCED_MR = "1.2.840.10008.5.1.4.1.1.4.1"


def item(**values: object) -> Sequence:
    one = Dataset()
    for keyword, value in values.items():
        setattr(one, keyword, value)
    return Sequence([one])


def merge(files: list[Path]) -> None:
    """Replace files, in the order of the frames, by one multi-frame file under the first's name."""
    images = [pydicom.dcmread(path) for path in files]
    first = images[0]
    whole = copy.deepcopy(first)
    for keyword in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"):
        delattr(whole, keyword)
    for keyword in ("EchoTime", "RepetitionTime", "InversionTime", "ScanningSequence"):
        if keyword in whole:
            delattr(whole, keyword)
    whole.SOPClassUID = whole.file_meta.MediaStorageSOPClassUID = ENHANCED_MR
    whole.SOPInstanceUID = whole.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    whole.NumberOfFrames, whole.InstanceNumber = len(images), 1
    whole.EchoPulseSequence, whole.EchoPlanarPulseSequence = "SPIN", "NO"
    whole.VolumetricProperties, whole.AcquisitionContrast = "VOLUME", "T2"
    whole.SharedFunctionalGroupsSequence = Sequence([_shared(first)])
    whole.PerFrameFunctionalGroupsSequence = Sequence(
        [_frame(image, index) for index, image in enumerate(images, start=1)]
    )
    organization = generate_uid()
    whole.DimensionOrganizationSequence = item(DimensionOrganizationUID=organization)
    whole.DimensionIndexSequence = item(
        DimensionOrganizationUID=organization,
        DimensionIndexPointer=0x00209057,  # InStackPositionNumber
        FunctionalGroupPointer=0x00209111,
    )
    whole.PixelData = b"".join(image.PixelData for image in images)
    for path in files:
        path.unlink()
    whole.save_as(files[0], enforce_file_format=True)


def _shared(first: Dataset) -> Dataset:
    shared = Dataset()
    shared.PixelMeasuresSequence = item(
        PixelSpacing=first.PixelSpacing,
        SliceThickness=first.SliceThickness,
        SpacingBetweenSlices=first.SpacingBetweenSlices,
    )
    shared.PlaneOrientationSequence = item(ImageOrientationPatient=first.ImageOrientationPatient)
    shared.PixelValueTransformationSequence = item(
        RescaleSlope=first.get("RescaleSlope", 1), RescaleIntercept=0, RescaleType="US"
    )
    shared.MRTimingAndRelatedParametersSequence = item(RepetitionTime=float(first.RepetitionTime))
    shared.MREchoSequence = item(EffectiveEchoTime=float(first.EchoTime))
    shared.MRModifierSequence = item(InversionRecovery="NO")
    return shared


def _frame(image: Dataset, index: int) -> Dataset:
    frame = Dataset()
    frame.PlanePositionSequence = item(ImagePositionPatient=image.ImagePositionPatient)
    frame.FrameContentSequence = item(
        StackID="1", InStackPositionNumber=index, DimensionIndexValues=[index]
    )
    return frame
