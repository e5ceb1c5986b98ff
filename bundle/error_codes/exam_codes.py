"""What can be wrong on the way from the scanner to a case, and back."""

CODES = {
    "E_BRAIN_MASK": (
        "A brain mask is none, is empty, fills its volume, or lies on no modality's grid.",
        "Give a mask of two values on the grid of the scan that it was drawn on.",
    ),
    "E_CONVERSION": (
        "A DICOM series could not be converted, or the result is not what its headers say.",
        "Choose another series by `--series`, or give a NIfTI file of this one.",
    ),
    "E_DICOM_SOURCE": (
        "A result cannot be written as DICOM: its case has no series, or that one is gone, changed"
        " or no stack of images.",
        "Give the folder of the study, and leave it as it is until its case is done.",
    ),
    "E_NATIVE_GRID": (
        "A result was asked for on the grid of a scan that was not acquired, or of unknown place.",
        "Prepare the exam with `--prepare`, or choose another modality with `--on`.",
    ),
    "E_PACS": (
        "An archive cannot be reached, does not have the study, or refuses a file.",
        "Check the address, the UID and the rights; look at the archive's log.",
    ),
    "E_PREPARED": (
        "Of an image nothing usable was left after resampling, cropping and normalisation.",
        "Check voxel size, origin and intensities of the file.",
    ),
    "E_REGISTRATION": (
        "A scan could not be registered to the reference so that the result can be trusted.",
        "Look at both scans; leave the modality out with `--leave-out-failed`.",
    ),
    "E_SERIES": (
        "It is not sure which DICOM series of a study is which modality.",
        "Complete the `series.csv` that the message names, and pass it as `--series`.",
    ),
    "E_SERIES_BROKEN": (
        "A DICOM series is incomplete, damaged, or not one stack of images of one patient.",
        "Export it from the archive again, or choose another series by `--series`.",
    ),
    "E_SERIES_TABLE": (
        "A `series.csv` has a line that cannot be used.",
        "Correct the line, or write the table again with `simmlm series`.",
    ),
    "E_STUDY": (
        "A folder is no DICOM study of one patient, or has none of the images that are needed.",
        "Give the folder of one study; `simmlm series` lists what a folder holds.",
    ),
}
"""Code to what is wrong, and what a user can do."""
