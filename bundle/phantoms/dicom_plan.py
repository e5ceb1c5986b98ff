"""How a study is drawn, as the section ``phantom.dicom`` of a task's file declares it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bundle.errors import UsageError
from bundle.phantoms.section import Section
from bundle.tasks.task import Task

PLANES = ("axial", "sagittal", "coronal")
_MOST_MM = 100.0
_NEEDED = ("of", "description", "planes", "spacing_mm", "minute", "tags")
_OPTIONAL = (
    *("thickness_mm", "slices", "tilted_deg", "turned_deg", "shifted_mm"),
    *("slope", "truth", "label"),
)


@dataclass(frozen=True)
class HeadLayer:
    """A tissue around the brain.

    Attributes:
        mm: its thickness in an adult head.
        signals: modality to brightness, relative to the brain's mean.
    """

    mm: float
    signals: Mapping[str, float]


@dataclass(frozen=True)
class DrawnSeries:
    """A series of a drawn study.

    Attributes:
        of: the modality whose signals it shows.
        description: its SeriesDescription and ProtocolName.
        planes: of its stacks; a localiser has several.
        spacing_mm: between columns, rows and slices.
        thickness_mm: of a slice.
        slices: of each stack, around the middle; None for all of the head.
        tilted_deg: how far its planes are turned about the axis from right to left.
        turned_deg: how far the head had turned meanwhile, about an axis of the case's own.
        shifted_mm: how far it had moved, in a direction of the case's own.
        slope: RescaleSlope; None if stored values are meant as they are.
        minute: of its start.
        truth: it is the modality, and not only drawn from its signals.
        label: the truth lies on its grid.
        tags: further attributes, by their DICOM keywords.
    """

    of: str
    description: str
    planes: tuple[str, ...]
    spacing_mm: tuple[float, float, float]
    thickness_mm: float
    slices: int | None
    tilted_deg: float
    turned_deg: float
    shifted_mm: float
    slope: float | None
    minute: float
    truth: bool
    label: bool
    tags: Mapping[str, Any]


@dataclass(frozen=True)
class StudyPlan:
    """What a drawn study shows.

    Attributes:
        head: what lies around the brain, inner layers first.
        series: in the order of their numbers.
    """

    head: tuple[HeadLayer, ...]
    series: tuple[DrawnSeries, ...]


def read_study_plan(task: Task) -> StudyPlan:
    """Read how the studies of a task are drawn.

    Raises:
        UsageError: E_PHANTOM, the task does not say it.
        SetupError: E_TASK, it says it wrongly; the message names the key.
    """
    if "dicom" not in task.phantom:
        raise UsageError(
            "E_PHANTOM",
            f"Task {task.name} must declare phantom.dicom before its studies can be drawn; got"
            " none. docs/tasks.md says how.",
        )
    section = Section(task.name, "phantom.dicom", task.phantom["dicom"])
    section.check_keys(["head", "series"])
    series = tuple(_series(entry, task) for entry in section.sections("series"))
    if sum(one.label for one in series) != 1:
        raise section.error("series", "must have one with label: true", len(series))
    layers = section.section("head")
    return StudyPlan(tuple(_layer(layers.section(name), task) for name in layers.content), series)


def _layer(section: Section, task: Task) -> HeadLayer:
    section.check_keys(["mm", "signals"])
    signals = section.section("signals")
    signals.check_keys(task.modality_names)
    values = {name: signals.number(name, 0, _MOST_MM) for name in task.modality_names}
    return HeadLayer(section.number("mm", 0, _MOST_MM), values)


def _series(section: Section, task: Task) -> DrawnSeries:
    section.check_keys(_NEEDED, _OPTIONAL)
    spacing = _spacing(section)
    given = section.content
    return DrawnSeries(
        of=section.choice("of", task.modality_names),
        description=section.text("description"),
        planes=_planes(section),
        spacing_mm=spacing,
        thickness_mm=_number(section, "thickness_mm", 0.1, _MOST_MM, spacing[2]),
        slices=int(section.number("slices", 1, 100)) if "slices" in given else None,
        tilted_deg=_number(section, "tilted_deg", -45, 45),
        turned_deg=_number(section, "turned_deg", 0, 45),
        shifted_mm=_number(section, "shifted_mm", 0, _MOST_MM),
        slope=section.number("slope", 1e-3, 1e3) if "slope" in given else None,
        minute=section.number("minute", 0, 600),
        truth="truth" in given and section.choice("truth", (True, False)),
        label="label" in given and section.choice("label", (True, False)),
        tags=dict(section.section("tags").content),
    )


def _number(section: Section, key: str, low: float, high: float, default: float = 0.0) -> float:
    return section.number(key, low, high) if key in section.content else default


def _spacing(section: Section) -> tuple[float, float, float]:
    value = section.content["spacing_mm"]
    if not isinstance(value, list | tuple) or len(value) != 3:
        raise section.error("spacing_mm", "must be three numbers", value)
    named = Section(section.task, section.place, dict(zip("xyz", value, strict=True)))
    x, y, z = (named.number(axis, 0.1, _MOST_MM) for axis in "xyz")
    return x, y, z


def _planes(section: Section) -> tuple[str, ...]:
    value = section.content["planes"]
    if not isinstance(value, list | tuple) or not value or not set(value) <= set(PLANES):
        raise section.error("planes", f"must be among {', '.join(PLANES)}", value)
    return tuple(value)
