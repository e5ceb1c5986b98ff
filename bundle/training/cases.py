"""The cases that can train and judge: those with a label."""

from pathlib import Path
from typing import Any

from bundle.data.cases import case_files, case_label, list_cases
from bundle.data.splits import divide
from bundle.errors import UsageError

Cases = tuple[dict[str, Any], ...]


def labelled_cases(source: Path | str) -> Cases:
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


def divide_labelled(source: Path | str | None, **options: Any) -> tuple[Cases, Cases]:
    """Give the training and the validation cases of a data set; without one, none: MONAI Label brings its own.

    Args:
        source: as for `labelled_cases`, or None.
        options: as for ``splits.divide``.

    Raises:
        UsageError: as `labelled_cases` and ``splits.divide``.
    """
    return ((), ()) if source is None else divide(labelled_cases(source), **options)
