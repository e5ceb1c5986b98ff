"""Which series is which modality, by evidence that does not depend on one another; nothing is
guessed.

It is sure only where names and physics agree, and of a family also the contrast agent.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from bundle.dicom.contrast import Contrast, judge_contrast
from bundle.dicom.other_kinds import OTHER_KINDS
from bundle.dicom.physics import Physics, judge_physics
from bundle.dicom.series import Series
from bundle.dicom.series_checks import not_a_scan
from bundle.dicom.series_names import Names, judge_names
from bundle.tasks.series_rules import SeriesKind
from bundle.tasks.task import Task


class Certainty(StrEnum):
    """How sure it is what a series is."""

    SURE = "sure"
    UNCLEAR = "unclear"
    OTHER = "other"


@dataclass(frozen=True)
class Judgement:
    """What a series is.

    Attributes:
        certainty: ``sure`` of one modality, ``unclear``, or ``other`` than any.
        possible: modalities that it may be; one if it is sure, none if it is another thing.
        why: one sentence without its end.
        evidence: what tells it.
    """

    certainty: Certainty
    possible: tuple[str, ...]
    why: str
    evidence: tuple[str, ...] = ()


def judge_series(series: Sequence[Series], task: Task) -> dict[str, Judgement]:
    """Judge all series of a study, by ``Series.uid``."""
    kinds = kinds_of(task)
    names = {one.uid: judge_names(one, kinds, task) for one in series}
    contrast = judge_contrast(series, names, task)
    return {one.uid: _judged(one, names[one.uid], contrast[one.uid], kinds, task) for one in series}


def kinds_of(task: Task) -> tuple[SeriesKind, ...]:
    """Return the kinds that a task declares, and those that most exams hold besides."""
    others = (kind for kind in OTHER_KINDS if kind.name not in task.series)
    return (*task.series.values(), *others)


def _judged(
    series: Series, names: Names, contrast: Contrast, kinds: Sequence[SeriesKind], task: Task
) -> Judgement:
    own = {kind for kind in names.kinds if task.of_kind(kind)}
    measurable = {kind.name for kind in kinds if kind.physics}
    reason = (
        _wrong_scanner(series, task)
        or _other_name(names.kinds - own - measurable, kinds)
        or not_a_scan(series)
    )
    if reason:
        return Judgement(Certainty.OTHER, (), reason)
    physics = judge_physics(series.measured, kinds)
    if len(own) == 1 and physics.kind in own:
        return _of_kind(next(iter(own)), names, physics, contrast, task)
    if physics.kind is not None and not task.of_kind(physics.kind):
        if not own or physics.kind in names.kinds:  # a double echo is named after both
            why = f"it is {_title(physics.kind, kinds)} ({physics.shown})"
            return Judgement(Certainty.OTHER, (), why)
    elif names.kinds and not own:
        return Judgement(Certainty.OTHER, (), _other_name(names.kinds, kinds))
    return _unclear(own, names, physics, kinds, task)


def _other_name(others: frozenset[str], kinds: Sequence[SeriesKind]) -> str:
    return f"it is {_title(min(others), kinds)} by its name" if others else ""


def _wrong_scanner(series: Series, task: Task) -> str:
    wanted = {kind.scanner for kind in task.series.values()}
    scanner = series.first.scanner
    return "" if scanner in wanted else f"it is {scanner or 'of no modality'} and not {min(wanted)}"


def _of_kind(
    kind: str, names: Names, physics: Physics, contrast: Contrast, task: Task
) -> Judgement:
    """Judge a series of which names and physics agree: of a family the agent decides."""
    evidence: tuple[str, ...] = (f'name "{names.shown}"', physics.shown)
    members = [task.modality(name) for name in task.of_kind(kind)]
    if all(one.agent is None for one in members):
        return Judgement(Certainty.SURE, (members[0].name,), "names and physics agree", evidence)
    names_of = tuple(one.name for one in members)
    if contrast.given is None:
        return Judgement(Certainty.UNCLEAR, names_of, contrast.evidence[0])
    fitting = [one.name for one in members if bool(one.agent) == contrast.given]
    if not fitting:
        return Judgement(
            Certainty.OTHER, (), f"{task.name} has no such image: {contrast.evidence[0]}"
        )
    evidence = (*evidence, *contrast.evidence)
    return Judgement(Certainty.SURE, tuple(fitting), "names, physics and agent agree", evidence)


def _unclear(
    own: set[str], names: Names, physics: Physics, kinds: Sequence[SeriesKind], task: Task
) -> Judgement:
    allowed = {kind for kind in physics.possible if task.of_kind(kind)}
    possible = {name for kind in own | allowed for name in task.of_kind(kind)}
    said = " and ".join(sorted(_title(kind, kinds) for kind in own)) or "nothing known"
    measured = " or ".join(sorted(_title(kind, kinds) for kind in physics.possible))
    why = f"its name says {said}, its numbers {measured or 'nothing known'} ({physics.shown})"
    if not possible:
        return Judgement(Certainty.OTHER, (), why)
    return Judgement(Certainty.UNCLEAR, task.in_order(possible), why, (names.shown,))


def _title(name: str, kinds: Sequence[SeriesKind]) -> str:
    return next(kind.title for kind in kinds if kind.name == name)
