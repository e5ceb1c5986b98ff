"""Collections of cases whose names tell how their labels are numbered, as far as they do."""

import re
from collections.abc import Collection as Values
from pathlib import Path

from bundle.names.file_names import numbering_by_ending
from bundle.tasks.default import DEFAULT_TASK
from bundle.tasks.numberings import Collection
from bundle.tasks.task import Task

_SEGMENTATION = re.compile(r"(?:^|[-_. ])seg(?:m|mentation)?\.(?:nii|nrrd|mh|mg|img|hdr)", re.I)


def find_collection(label: Path, case_id: str, task: Task) -> Collection | None:
    """Tell the collection of a label file by its own name, that of its case, or that of its folder.

    None if unknown.
    """
    for name in (label.name, case_id, label.parent.name):
        for collection in task.collections:
            if collection.has(name):
                return collection
    return None


def naming(
    label: Path, case_id: str, *, task: Task = DEFAULT_TASK
) -> tuple[str | None, str | None, bool]:
    """Return all that names say of a numbering: collection, numbering by the style of the file
    name, whether it names a segmentation.
    """
    collection = find_collection(label, case_id, task)
    style = numbering_by_ending(label, task)
    return (collection.name if collection else None), style, _names_segmentation(label)


def certain_numbering(label: Path, case_id: str, values: Values[int], task: Task) -> str:
    """Tell the numbering from the names and the values of a label file, where together they leave
    no doubt.

    A number is never guessed: every numbering that the collection's releases and the style of the
    name allow is tried, and where two of them have all values but read them differently, the file
    is refused. A task with one numbering leaves no doubt.

    Args:
        label: the file; its name, with or without those of case and folder, decides.
        case_id: name of the case.
        values: those in the file.
        task: whose numberings there are.

    Raises:
        ValueError: there is doubt; the message says what the values may mean.
    """
    collection, style = find_collection(label, case_id, task), numbering_by_ending(label, task)
    is_only_one = len(task.numberings) == 1
    if collection is None and style is None and not is_only_one:
        known = _known(task)
        raise ValueError(f"the numbering must be known; got a name that does not say. {known}")
    if collection is None:
        return _by_style(style or task.default_numbering.name, values, task)
    if not collection.numberings:
        raise ValueError(
            f"label values must name {task.finding} regions; those of {collection.name} name a"
            " target volume. Leave these cases out."
        )
    # conversions, such as that to nnU-Net, renumber and take the ending away
    if not (_names_segmentation(label) or is_only_one):
        raise ValueError(
            f"the numbering must be known; got a file of {collection.name} that is not called"
            f" CASE-seg. {_known(task)}"
        )
    possible = dict.fromkeys((*collection.numberings, *((style,) if style else ())))
    return _agreed(possible, collection.name, values, task)


def _names_segmentation(label: Path) -> bool:
    return _SEGMENTATION.search(label.name) is not None


def _by_style(style: str, values: Values[int], task: Task) -> str:
    for value, meanings in task.doubtful.get(style, {}).items():
        if value in values:
            raise ValueError(
                f"label values must tell what {value} means; got {sorted(values)} in a file whose"
                f" name tells no collection, so that {value} may be {meanings}."
            )
    return style


def _agreed(numberings: Values[str], collection: str, values: Values[int], task: Task) -> str:
    """Choose the first numbering that has all values, if those that have them read them alike."""
    tables = {name: task.numbering(name).table for name in numberings}
    fitting = [name for name, table in tables.items() if set(values) <= set(table)]
    if not fitting:
        raise ValueError(
            f"label values must be among those of {collection} ({' or '.join(numberings)}); got"
            f" {sorted(values)}."
        )
    readings = {tuple(map(tables[name].get, sorted(values))) for name in fitting}
    if len(readings) > 1:
        raise ValueError(
            f"label values must tell their numbering; got {sorted(values)}, which files of"
            f" {collection} have in {' and in '.join(fitting)} with other meanings."
        )
    return fitting[0]


def _known(task: Task) -> str:
    return f"One of {', '.join(task.numberings)} is right."
