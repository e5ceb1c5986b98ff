"""The cases that can train and judge: those with a label."""

from pathlib import Path
from typing import Any

from bundle.data.cases import case_files, case_label, list_cases
from bundle.errors import UsageError


def labelled_cases(source: Path | str) -> tuple[dict[str, Any], ...]:
    """List the labelled cases of a data set of any layout, each with its image files and its label file.

    Raises:
        UsageError: no case has a label, or the data set is malformed.
        CaseError: the files of a case are ambiguous or none of them is an image.
    """
    labels = [(item, case_label(item)) for item in list_cases(source)]
    cases = tuple({**item, "image": case_files(item), "label": label} for item, label in labels if label is not None)
    if not cases:
        raise UsageError(
            "E_NO_LABEL",
            f"The data must have labelled cases; got none in {source}. Put CASE-seg.nii.gz beside the images of a "
            "case, one folder per case, or name the label files in a list.",
        )
    return cases
