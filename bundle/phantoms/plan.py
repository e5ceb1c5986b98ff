"""How the cases of a task are drawn, as the section ``phantom`` of its file declares it."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from bundle.errors import UsageError
from bundle.names.case_ids import is_case_id
from bundle.phantoms.ageing import Ageing
from bundle.phantoms.anatomy import TISSUES
from bundle.phantoms.lesion_kind import LesionKind
from bundle.phantoms.masses import Masses
from bundle.phantoms.ovoids import Ovoids
from bundle.phantoms.section import Range, Section
from bundle.tasks.task import Task

_KINDS: Mapping[str, Callable[[Section, Collection[int]], LesionKind]] = {
    "masses": Masses.read,
    "ovoids": Ovoids.read,
    "ageing": Ageing.read,
}
_NUMBER = "{number}"
_MOST = 100.0


@dataclass(frozen=True)
class Naming:
    """How the files of a case are called.

    Attributes:
        case: name of a case, in which ``{number}`` stands for five digits.
        separator: between the case's name and what the file holds.
        suffixes: modality to what the name of its file ends with.
        label: what the name of the label map ends with.
        numbering: of the label map.
    """

    case: str
    separator: str
    suffixes: Mapping[str, str]
    label: str
    numbering: str

    def case_name(self, number: int) -> str:
        """Name a case."""
        return self.case.replace(_NUMBER, f"{number:05d}")

    def file_name(self, number: int, suffix: str) -> str:
        """Name a file of a case."""
        return f"{self.case_name(number)}{self.separator}{suffix}.nii.gz"


@dataclass(frozen=True)
class PhantomPlan:
    """Everything that differs between the phantoms of tasks.

    Attributes:
        signals: tissue to modality to signal, relative to the brain's mean.
        jitter: standard deviation of the factor that each signal of a case gets.
        varied: tissue to modality to the range of a further factor.
        mottle: range of the contrast of the texture inside lesions.
        lesions: painted in this order over everything else.
        confounders: what looks like a lesion in some modality and is none, painted below lesions.
        namings: styles of file names; the first is meant where none is named.
    """

    signals: Mapping[str, Mapping[str, float]]
    jitter: float
    varied: Mapping[str, Mapping[str, Range]]
    mottle: Range
    lesions: tuple[LesionKind, ...]
    confounders: tuple[LesionKind, ...]
    namings: Mapping[str, Naming]


def read_plan(task: Task) -> PhantomPlan:
    """Read how the cases of a task are drawn.

    Raises:
        UsageError: E_PHANTOM, the task does not say it.
        SetupError: E_TASK, it says it wrongly; the message names the key.
    """
    if not task.phantom:
        raise UsageError(
            "E_PHANTOM",
            f"Task {task.name} must declare a phantom before its cases can be drawn; got none."
            " docs/tasks.md says how.",
        )
    section = Section(task.name, "phantom", task.phantom)
    section.check_keys(
        ["signals", "jitter", "mottle", "lesions", "namings"], ["varied", "confounders", "dicom"]
    )
    labels = [label.value for label in task.labels]
    lesions = _kinds(section, "lesions", labels)
    confounders = _kinds(section, "confounders", []) if "confounders" in task.phantom else ()
    painted = [layer.tissue for kind in (*lesions, *confounders) for layer in kind.layers.values()]
    tissues = tuple(dict.fromkeys((*TISSUES, *painted)))
    return PhantomPlan(
        signals=_signals(section.section("signals"), tissues, task.modality_names),
        jitter=section.number("jitter", 0, 0.5),
        varied=_varied(section, tissues, task.modality_names),
        mottle=section.range("mottle", 0, 1),
        lesions=lesions,
        confounders=confounders,
        namings=_namings(section.section("namings"), task),
    )


def _kinds(section: Section, key: str, labels: Collection[int]) -> tuple[LesionKind, ...]:
    kinds: list[LesionKind] = []
    for entry in section.sections(key):
        if "kind" not in entry.content:
            raise entry.error("kind", f"must be one of {', '.join(_KINDS)}", "none")
        kinds.append(_KINDS[entry.choice("kind", _KINDS)](entry, labels))
    return tuple(kinds)


def _signals(
    section: Section, tissues: Collection[str], modalities: Collection[str]
) -> dict[str, dict[str, float]]:
    section.check_keys(tissues)
    signals: dict[str, dict[str, float]] = {}
    for tissue in section.content:
        values = section.section(tissue)
        values.check_keys(modalities)
        signals[tissue] = {name: values.number(name, 0, _MOST) for name in modalities}
    return signals


def _varied(
    section: Section, tissues: Collection[str], modalities: Collection[str]
) -> dict[str, dict[str, Range]]:
    if "varied" not in section.content:
        return {}
    varied: dict[str, dict[str, Range]] = {}
    factors = section.section("varied")
    factors.check_keys([], tissues)
    for tissue in factors.content:
        ranges = factors.section(tissue)
        ranges.check_keys([], modalities)
        varied[tissue] = {name: ranges.range(name, 0, _MOST) for name in ranges.content}
    return varied


def _namings(section: Section, task: Task) -> dict[str, Naming]:
    namings = {str(name): _naming(section.section(name), task) for name in section.content}
    if not namings:
        raise section.error("NAME", "must say how files are called", "no naming")
    return namings


def _naming(section: Section, task: Task) -> Naming:
    section.check_keys(["case", "separator", "suffixes", "numbering"], ["label"])
    suffixes = section.section("suffixes")
    suffixes.check_keys(task.modality_names)
    naming = Naming(
        case=section.text("case"),
        separator=section.text("separator"),
        suffixes={name: suffixes.text(name) for name in task.modality_names},
        label=section.text("label") if "label" in section.content else "seg",
        numbering=section.choice("numbering", task.numberings),
    )
    if naming.case.count(_NUMBER) != 1 or not is_case_id(naming.case_name(1)):
        raise section.error("case", f"must be a file name with one {_NUMBER}", naming.case)
    names = [naming.file_name(1, suffix) for suffix in (*naming.suffixes.values(), naming.label)]
    if not all(map(is_case_id, names)) or len({name.lower() for name in names}) < len(names):
        raise section.error("suffixes", "must give every file a name of its own", names)
    return naming
