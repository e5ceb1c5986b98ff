"""The cases that can train and judge: those with a label."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bundle.datasets.case_files import case_files, case_label
from bundle.datasets.listing import list_cases
from bundle.datasets.splits import divide
from bundle.errors import CaseError, UsageError
from bundle.plain_text import printable
from bundle.processes import is_first_process
from bundle.tasks.default import DEFAULT_TASK
from bundle.tasks.task import Task

LOGGER = logging.getLogger("simmlm")

Cases = tuple[dict[str, Any], ...]

_SHOWN = 10


def labelled_cases(
    source: Path | str, patterns: Mapping[str, str] | None = None, *, task: Task = DEFAULT_TASK
) -> Cases:
    """List the labelled cases of a data set of any layout, each with its image files and its label
    file.

    Cases without a label are left out, with a logged line that names them.

    Args:
        source: anything that ``list_cases`` takes.
        patterns: as ``list_cases`` takes them.
        task: as for ``list_cases``.

    Raises:
        UsageError: no case has a label, or the data set is malformed.
        CaseError: cases cannot be used, because files are missing or ambiguous; all of them are
            named: a training never goes on with fewer cases than it was given.
    """
    cases = cases_to_judge(source, patterns, task=task)
    problems = [case["problem"] for case in cases if case.get("problem") is not None]
    if len(problems) == 1:
        raise problems[0]
    if problems:
        names = _some([case["case_id"] for case in cases if case.get("problem") is not None])
        raise CaseError(
            "E_CASE",
            f"Every case of {source} must be usable; got {len(problems)} that are not: {names}. Of"
            f" the first, {problems[0].code}: {problems[0]} `simmlm data` says it of all. Mend"
            " them, or take them out of the data.",
        )
    return cases


def cases_to_judge(
    source: Path | str,
    patterns: Mapping[str, str] | None = None,
    *,
    need_images: bool = True,
    tell: bool = True,
    task: Task = DEFAULT_TASK,
) -> Cases:
    """List the cases as `labelled_cases`, and those that cannot be used with them: each fails
    alone.

    Args:
        source: as for `labelled_cases`.
        patterns: as for `labelled_cases`.
        need_images: without them only other people's segmentations can be judged; ``image`` is then
            empty.
        tell: log which cases have no label.
        task: as for `labelled_cases`.

    Returns:
        As `labelled_cases`; a case that cannot be used has the `CaseError` as ``problem``.

    Raises:
        UsageError: no case has a label, or the data set is malformed.
    """
    items = list_cases(source, patterns, task=task)
    listed = [_with_files(item, need_images=need_images, task=task) for item in items]
    cases = tuple(
        item for item in listed if item.get("label") is not None or item.get("problem") is not None
    )
    if not cases:
        raise UsageError(
            "E_NO_LABEL",
            f"The data must have labelled cases; got none in {source}. Put CASE-seg.nii.gz beside"
            " the images of a case, one folder per case, or name the label files in a list.",
        )
    if tell and len(cases) < len(listed) and is_first_process():
        _tell_unlabelled(source, listed)
    return cases


def divide_labelled(
    source: Path | str | None,
    patterns: Mapping[str, str] | None = None,
    *,
    task: Task = DEFAULT_TASK,
    **options: Any,
) -> tuple[Cases, Cases]:
    """Return the training and the validation cases of a data set.

    Without one, none: MONAI Label brings its own.

    Args:
        source: as for `labelled_cases`, or None.
        patterns: as for `labelled_cases`.
        task: as for `labelled_cases`.
        options: as for ``splits.divide``.

    Raises:
        UsageError: as `labelled_cases` and ``splits.divide``.
    """
    if source is None:
        return (), ()
    return divide(labelled_cases(source, patterns, task=task), **options)


def _with_files(item: dict[str, Any], *, need_images: bool, task: Task) -> dict[str, Any]:
    """Add label and files of a listed case, or why they cannot be told."""
    problem = item.get("problem")
    if problem is not None:
        is_truth = (
            not need_images and problem.code == "E_NO_MODALITY" and item.get("label") is not None
        )
        return {**item, "image": {}, "problem": None} if is_truth else item
    try:
        label = case_label(item, task=task)
        if label is None:
            return item
        image = _images(item, need_images=need_images, task=task)
        return {**item, "image": image, "label": label}
    except CaseError as error:
        return {**item, "problem": error}


def _images(item: dict[str, Any], *, need_images: bool, task: Task) -> dict[str, Any]:
    try:
        return case_files(item, task=task)
    except CaseError as error:
        if need_images or error.code != "E_NO_MODALITY":
            raise
        return {}


def _tell_unlabelled(source: Path | str, listed: Sequence[dict[str, Any]]) -> None:
    names = [
        item["case_id"]
        for item in listed
        if item.get("label") is None and item.get("problem") is None
    ]
    count = f"{len(names)} of {len(listed)} cases"
    LOGGER.warning("%s in %s have no label and are left out: %s", count, source, _some(names))


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return printable(", ".join(names[:_SHOWN])) + more
