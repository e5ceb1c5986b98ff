"""The cases that can train: those with a label."""

from pathlib import Path
from typing import Any

from bundle.data.cases import find_images, find_label, list_cases
from bundle.errors import UsageError


def labelled_cases(folder: Path | str) -> tuple[dict[str, Any], ...]:
    """List the labelled cases of a folder, each with its image files and its label file.

    Raises:
        UsageError: no case has a label.
        CaseError: the files of a case are ambiguous or none of them is an image.
    """
    cases = []
    for item in list_cases(folder):
        label = find_label(item["image"], item["case_id"])
        if label is not None:
            cases.append({**item, "image": find_images(item["image"], item["case_id"]), "label": label})
    if not cases:
        raise UsageError(
            "E_NO_LABEL",
            f"Training must have labelled cases; got none in {folder}. Put CASE-seg.nii.gz beside the images of a "
            "case, one folder per case.",
        )
    return tuple(cases)
