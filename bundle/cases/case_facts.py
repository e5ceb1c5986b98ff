"""Finds out what a data set holds, and which of its cases cannot be used, before hours are spent on
it.
"""

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bundle.cases.case_loader import LoadCased
from bundle.cases.case_record import CaseRecord
from bundle.cases.label_map import LabelMap
from bundle.cases.naming_warnings import label_warnings
from bundle.datasets.case_files import case_files, case_label
from bundle.errors import CaseError
from bundle.names.case_ids import case_patient
from bundle.tasks.default import DEFAULT_TASK
from bundle.tasks.numberings import AUTO
from bundle.tasks.task import Task
from bundle.volumes.geometry import spacing_mm

UNLABELLED = "no file is its label: training and evaluation leave it out"


@dataclass(frozen=True)
class CaseFacts:
    """What is known of one case.

    Attributes:
        modalities: in the order of the task; by the files' names only if the case is not usable.
        problem: why the case is not usable, code and sentence; empty if it is.
        shape: voxels along each axis.
        spacing_mm: to a thousandth.
        scans: modality to what identifies the scan's bytes.
        numbering: of the label; its name.
        label_values: values in the label file; empty if there is none.
    """

    case_id: str
    patient: str
    modalities: tuple[str, ...]
    is_labelled: bool
    problem: str = ""
    warnings: tuple[str, ...] = ()
    shape: tuple[int, ...] = ()
    spacing_mm: tuple[float, ...] = ()
    scans: Mapping[str, Hashable] | None = None
    numbering: str = ""
    label_values: tuple[int, ...] = ()


def describe_case(
    item: Mapping[Any, Any], label_convention: str = AUTO, *, task: Task = DEFAULT_TASK
) -> CaseFacts:
    """Read a case as training would, with its label if it has one.

    A case that cannot be used is described too.

    Args:
        item: of ``listing.list_cases``.
        label_convention: as `LoadCased` takes it.
        task: as `LoadCased` takes it.
    """
    facts = CaseFacts(str(item["case_id"]), case_patient(item), (), is_labelled=False)
    try:
        facts = replace(facts, modalities=tuple(case_files(item, task=task)))
        facts = replace(facts, is_labelled=case_label(item, task=task) is not None)
        loader = LoadCased(facts.is_labelled, label_convention, task=task)
        return _with_content(facts, item, loader)
    except CaseError as error:
        return replace(facts, problem=f"{error.code}: {error}")
    except OSError as error:
        return replace(
            facts, problem=f"E_UNREADABLE: the files must be readable; got: {error.strerror}."
        )


def _with_content(facts: CaseFacts, item: Mapping[Any, Any], loader: LoadCased) -> CaseFacts:
    case, label = loader.load(item)
    record = CaseRecord.from_json(case["record"])
    scans = {
        modality: (entry["sha256"], entry.get("channel"))
        for modality, entry in record.inputs.items()
    }
    facts = replace(
        facts,
        warnings=record.warnings + label_warnings(item, loader.task),
        shape=record.grid.shape,
        spacing_mm=tuple(round(float(size), 3) for size in spacing_mm(record.grid.affine)),
        scans=scans,
    )
    return facts if label is None else _with_label(facts, label, loader.task)


def _with_label(facts: CaseFacts, label: LabelMap, task: Task) -> CaseFacts:
    empty = () if label.values.any() else (f"label: no voxel is {task.finding}",)
    return replace(
        facts,
        warnings=facts.warnings + empty,
        numbering=label.numbering,
        label_values=tuple(sorted(label.counts)),
    )


def summarise(cases: Sequence[CaseFacts], *, task: Task = DEFAULT_TASK) -> dict[str, Any]:
    """Count what cases hold, in plain JSON values.

    Returns:
        Counts, and ``unusable``, ``unlabelled`` and ``warnings``: every case in question with the
        reason. Counts of modalities are of all cases, those of grids and labels of the usable ones.
        Where no case has a label none is called unlabelled.
    """
    usable = [case for case in cases if not case.problem]
    labelled = [case for case in usable if case.is_labelled]
    unlabelled = [case for case in usable if not case.is_labelled] if labelled else []
    warnings = [(case.case_id, text) for case in cases for text in case.warnings]
    warnings += _repeated_scans(usable)
    return {
        "n_cases": len(cases),
        "n_usable": len(usable),
        "n_patients": len({case.patient for case in cases}),
        "n_labelled": sum(case.is_labelled for case in cases),
        "modalities": {
            name: sum(name in case.modalities for case in cases) for name in task.modality_names
        },
        "modality_sets": _modality_sets(cases, task),
        "label_conventions": _counted(case.numbering for case in labelled),
        "label_values": _counted(str(value) for case in labelled for value in case.label_values),
        "shapes": _counted(_by(case.shape) for case in usable),
        "spacings_mm": _counted(_by(case.spacing_mm) for case in usable),
        "unusable": [
            {"case_id": case.case_id, "reason": case.problem} for case in cases if case.problem
        ],
        "unlabelled": [{"case_id": case.case_id, "reason": UNLABELLED} for case in unlabelled],
        "warnings": [{"case_id": case_id, "reason": text} for case_id, text in warnings],
    }


def _repeated_scans(cases: Iterable[CaseFacts]) -> list[tuple[str, str]]:
    """Find scans that stand in two cases: they would be on both sides of a split."""
    seen: dict[Hashable, str] = {}
    found = []
    for case in cases:
        for modality, scan in (case.scans or {}).items():
            other = seen.setdefault(scan, case.case_id)
            if other != case.case_id:
                found.append((case.case_id, f"{modality}: the same file is in case {other}"))
    return found


def _modality_sets(cases: Iterable[CaseFacts], task: Task) -> dict[str, int]:
    counts = Counter(case.modalities for case in cases)
    largest_first = reversed(task.modality_sets())
    return {" ".join(chosen): counts[chosen] for chosen in largest_first if counts[chosen]}


def _counted(values: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(values).items(), key=lambda pair: (-pair[1], pair[0])))


def _by(sizes: Iterable[float]) -> str:
    return " x ".join(f"{size:g}" for size in sizes)
