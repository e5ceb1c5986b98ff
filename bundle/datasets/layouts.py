"""Ways in which people keep cases."""

from enum import StrEnum


class Layout(StrEnum):
    """What a data set is, in the words that users read."""

    case = "a case folder"
    folders = "a folder of case folders"
    flat = "a flat folder with the files of several cases"
    msd = "a Medical Segmentation Decathlon folder (dataset.json, 4D images)"
    nnunet = "an nnU-Net raw data set (dataset.json, CASE_0000.nii.gz)"
    table = "a CSV list"
    objects = "a JSON list"
    image = "an image"
