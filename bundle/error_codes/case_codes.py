"""What can be wrong with a case, its names and labels, or with a list of cases."""

CODES = {
    "E_AMBIGUOUS": (
        "Several files could be the one that is needed.",
        "Choose with `--pattern`, name the file, or remove the others.",
    ),
    "E_ARRAYS": (
        "A file of prepared arrays (.npz) is damaged, or does not hold what it must.",
        "Prepare it again by `simmlm prepare`.",
    ),
    "E_CASE": (
        "Cases that training or evaluation needs cannot be used.",
        "See what is wrong with each by `simmlm data`; mend them, or take them out.",
    ),
    "E_CASE_ID": (
        "A case's name cannot be that of a folder, is used twice, or is too long.",
        "Rename the case, or name it in a list.",
    ),
    "E_CHANGED": (
        "An image was changed while its case was computed.",
        "Run the case again once nobody writes to the file.",
    ),
    "E_COVERAGE": (
        "The setting `coverage` is not one share from 0 to 1 per modality, or leaves none of one.",
        "Correct the name or the share; 0.1 is 10 %.",
    ),
    "E_DATALIST": (
        "A list of cases or the description of a data set cannot be understood.",
        "Correct the line that the message names.",
    ),
    "E_DUPLICATE": (
        "Two modalities of a case have the same voxels.",
        "Give each modality its own file.",
    ),
    "E_FILE_NAME": (
        "The name of a file does not say its modality, or is no text.",
        "Rename the file, or declare what it holds (`--modalities`, a list).",
    ),
    "E_FOLDER": (
        "A folder of cases or of predictions is missing, empty, or cannot be read.",
        "Give the folder that holds them; check its permissions.",
    ),
    "E_GRID": (
        "Images of a case, its label, or a segmentation do not lie on one grid.",
        "Bring them onto one of them (`simmlm prepare`); labels with nearest neighbour.",
    ),
    "E_JSON": (
        "A JSON file cannot be read, is not JSON, or is too large or too deep.",
        "Correct it, or write it again.",
    ),
    "E_LABELS": (
        "A label map has values that its numbering does not have.",
        "Declare the right numbering (`label_convention`, `--labels`), or correct the map.",
    ),
    "E_LABEL_MAP": (
        "What was given as an image looks like a segmentation.",
        "Give the scan itself.",
    ),
    "E_LABEL_VALUES": (
        "A label map has values that are not small whole numbers.",
        "Give the segmentation itself, resampled with nearest neighbour.",
    ),
    "E_MISSING": (
        "A file or folder of a case does not exist.",
        "Check the path.",
    ),
    "E_MIXED": (
        "A folder holds images of more than one case.",
        "Keep one case per folder, or choose with `--pattern`, by name, or in a list.",
    ),
    "E_MODALITIES": (
        "The declared modalities of a file cannot be read, or go with no file.",
        "Declare them for one file, in the order of its volumes, separated by commas.",
    ),
    "E_NO_LABEL": (
        "A case, or all of the data, has no label map.",
        "Put the label map beside the images, or name it in a list.",
    ),
    "E_NO_MODALITY": (
        "A case has no image of a known modality.",
        "Name the files after their modalities, or choose them with `--pattern`.",
    ),
    "E_NO_SCORES": (
        "Not one case could be judged.",
        "Read the reason of the first in the message, and the others in `cases.csv`.",
    ),
    "E_PAIRS": (
        "Images and recordings do not make the pairs that are needed.",
        "Add what the message names, or ask for fewer pairs.",
    ),
    "E_PATTERN": (
        "A `--pattern` cannot be read or matches nothing.",
        "Write `MODALITY=GLOB`, relative to the case folder.",
    ),
    "E_SCORES": (
        "A table of scores cannot be used, or has not what was asked for.",
        "Correct the table or the question; compare runs judged on the same cases.",
    ),
    "E_SPLIT": (
        "A split of the cases cannot be used or drawn.",
        "Correct it, draw one with `simmlm split`, or add cases.",
    ),
}
"""Code to what is wrong, and what a user can do."""
