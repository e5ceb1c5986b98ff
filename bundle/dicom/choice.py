"""Chooses one series per modality of a study, or says why that cannot be done for sure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bundle.dicom.modality_rules import Certainty, Judgement
from bundle.dicom.series import Series
from bundle.dicom.series_checks import check_series
from bundle.dicom.stack import Stack
from bundle.errors import CaseError
from bundle.tasks.task import Task

_ROUND_MM = 0.05
"""Differences of slice distance below this make no series the thinner one."""


@dataclass(frozen=True)
class Chosen:
    """The series that a modality is read from.

    Attributes:
        series: sound.
        stack: where its slices lie.
        evidence: what tells that it is the modality, and why it was preferred.
    """

    series: Series
    stack: Stack
    evidence: tuple[str, ...]


@dataclass(frozen=True)
class Choice:
    """What the series of a study are.

    Attributes:
        chosen: modality to its series.
        others: titles of series that are not used, each with why, a sentence.
        unclear: uid of series that must be decided on first, to why; empty if all is sure.
        warnings: sentences for the user.
    """

    chosen: Mapping[str, Chosen]
    others: tuple[str, ...]
    unclear: Mapping[str, str]
    warnings: tuple[str, ...]


def choose(
    series: Sequence[Series], judgements: Mapping[str, Judgement], task: Task, case_id: str
) -> Choice:
    """Choose from judged series.

    Original is preferred to derived, 3D to 2D, thinner to thicker. A broken series gives way to a
    sound one of its modality, with a warning.

    Raises:
        CaseError: E_SERIES_BROKEN, all series of a modality are broken.
    """
    found = _Found()
    for modality in task.modality_names:
        sure = [one for one in series if _is_sure(judgements[one.uid], modality)]
        if sure:
            _choose_one(sure, modality, judgements, found, case_id)
    found.unclear |= _undecided(series, judgements, found.chosen)
    used = {one.series.uid for one in found.chosen.values()} | set(found.unclear)
    others = tuple(
        found.why.get(one.uid) or not_used(one, judgements[one.uid].why)
        for one in series
        if one.uid not in used
    )
    warnings = (*found.warnings, *_untagged(found.chosen, task))
    return Choice(found.chosen, others, found.unclear, warnings)


@dataclass
class _Found:
    """A choice while it is made; ``why`` says of series by uid why they are not used."""

    chosen: dict[str, Chosen] = field(default_factory=dict)
    unclear: dict[str, str] = field(default_factory=dict)
    why: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


def _choose_one(
    sure: Sequence[Series],
    modality: str,
    judgements: Mapping[str, Judgement],
    found: _Found,
    case_id: str,
) -> None:
    """Choose among series that all are one modality for sure."""
    sound, broken = _sound(sure, case_id)
    texts = broken.values()
    found.warnings += [f"{text} Another series of {modality} was used." for text in texts]
    found.why |= broken
    ranked = sorted(sound, key=lambda pair: _rank(*pair))
    best = [one for one, stack in ranked if _rank(one, stack) == _rank(*ranked[0])]
    if len(best) > 1:
        reason = f"it is one of {len(best)} equal series of {modality}"
        found.unclear |= {one.uid: reason for one in best}
        return
    found.chosen[modality] = _chosen(ranked, judgements[best[0].uid])
    found.why |= {one.uid: _not_preferred(one, ranked, modality) for one, _ in ranked[1:]}


def _is_sure(judgement: Judgement, modality: str) -> bool:
    return judgement.certainty is Certainty.SURE and judgement.possible == (modality,)


def _sound(
    candidates: Sequence[Series], case_id: str
) -> tuple[list[tuple[Series, Stack]], dict[str, str]]:
    """Divide candidates into whole ones and broken ones, with what is wrong."""
    sound: list[tuple[Series, Stack]] = []
    broken: dict[str, CaseError] = {}
    for one in candidates:
        try:
            sound.append((one, check_series(one, case_id)))
        except CaseError as error:
            broken[one.uid] = error
    if not sound:
        raise next(iter(broken.values()))
    return sound, {uid: str(error) for uid, error in broken.items()}


def _rank(series: Series, stack: Stack) -> tuple[bool, bool, float]:
    steps = round(stack.thickest_mm / _ROUND_MM)
    return (series.is_derived, series.measured.dimensions != "3D", steps)


def _chosen(ranked: Sequence[tuple[Series, Stack]], judgement: Judgement) -> Chosen:
    series, stack = ranked[0]
    evidence = judgement.evidence
    if len(ranked) > 1:
        kind = "derived" if series.is_derived else "original"
        dimensions = series.measured.dimensions or "no MRAcquisitionType"
        step = f"{stack.thickest_mm:.2f} mm"
        evidence += (f"preferred to {len(ranked) - 1} others: {kind}, {dimensions}, {step}",)
    return Chosen(series, stack, evidence)


def _not_preferred(series: Series, ranked: Sequence[tuple[Series, Stack]], modality: str) -> str:
    return (
        f"{_capital(series.title)} is not used: {ranked[0][0].title} is preferred for {modality}."
    )


def _undecided(
    series: Sequence[Series],
    judgements: Mapping[str, Judgement],
    chosen: Mapping[str, Chosen],
) -> dict[str, str]:
    """Return unclear series that may be a modality which no other series is for sure."""
    return {
        one.uid: judgements[one.uid].why
        for one in series
        if judgements[one.uid].certainty is Certainty.UNCLEAR
        and set(judgements[one.uid].possible) - set(chosen)
    }


def _untagged(chosen: Mapping[str, Chosen], task: Task) -> list[str]:
    return [
        f"{_capital(one.series.title)} is taken for {name} although its headers name no"
        f" ContrastBolusAgent: {'; '.join(one.evidence[2:])}."
        for name, one in chosen.items()
        if task.modality(name).agent and one.series.first.agent is None and one.evidence
    ]


def not_used(series: Series, why: str) -> str:
    """Say that a series is not used, and why."""
    return f"{_capital(series.title)} is not used: {why}."


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
