"""Whether a series was measured after a contrast agent: what tag, name and order in time say.

That a tag is missing proves nothing, and neither does a place before the first series that is known
to be enhanced: its agent may have been given long before. Native is what says so, or what lies
before that series and lacks what it has.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bundle.dicom.series import Series
from bundle.dicom.series_names import Names, without_contrast
from bundle.tasks.task import Task


@dataclass(frozen=True)
class Contrast:
    """What is known of a series.

    Attributes:
        given: whether there was contrast agent; None if it is not known, or contradictory.
        evidence: what tells it, or what contradicts itself.
    """

    given: bool | None
    evidence: tuple[str, ...]


def judge_contrast(
    series: Sequence[Series], names: Mapping[str, Names], task: Task
) -> dict[str, Contrast]:
    """Judge all series of a study together.

    Args:
        series: of the study.
        names: what the names of each say, by ``Series.uid``.
        task: for the words of names.

    Returns:
        What is known of each, by ``Series.uid``.
    """
    tags_tell = any(one.first.agent is not True for one in series)
    enhanced = [one for one in series if _says_given(one, names[one.uid], tags_tell)]
    first = min((one for one in enhanced if one.time), key=lambda one: one.time, default=None)
    return {
        one.uid: _judged(one, names[one.uid], (first, tags_tell, _twins(enhanced, task)), task)
        for one in series
    }


def _twins(enhanced: Sequence[Series], task: Task) -> dict[str, Series]:
    """Return the enhanced series by their descriptions without the words for it."""
    bare = {without_contrast(one, task): one for one in enhanced}
    return {name: one for name, one in bare.items() if name}


def _says_given(series: Series, names: Names, tags_tell: bool) -> bool:
    tag = series.first.agent if tags_tell else None
    return (tag is True or names.contrast) and not (tag is False or names.native)


def _judged(
    series: Series,
    names: Names,
    study: tuple[Series | None, bool, Mapping[str, Series]],
    task: Task,
) -> Contrast:
    first, tags_tell, twins = study
    given: list[str] = []
    native: list[str] = []
    if series.first.agent is True and tags_tell:
        given.append("ContrastBolusAgent is filled in")
    if series.first.agent is False:
        native.append("ContrastBolusAgent says none")
    if names.contrast:
        given.append("its name says contrast agent")
    if names.native:
        native.append("its name says no contrast agent")
    if first is not None and series.time and series.uid != first.uid:
        if series.time > first.time:
            given.append(f"it was measured after {first.title}, which is enhanced")
        elif not given:
            native += _before(series, first, twins.get(without_contrast(series, task)))
    if given and native:
        return Contrast(None, (f"{given[0]}, but {native[0]}",))
    if given or native:
        return Contrast(bool(given), tuple(given or native))
    return Contrast(None, ("nothing says whether contrast agent was given",))


def _before(series: Series, first: Series, twin: Series | None) -> list[str]:
    """Say why a series before the first enhanced one is native, if more than the order says so."""
    if first.first.agent is True and series.first.agent is None:
        return [f"it was measured before {first.title}, and lacks its ContrastBolusAgent"]
    if twin is not None and series.time < twin.time:
        return [f"it was measured before {twin.title}, and lacks its word for contrast agent"]
    return []
