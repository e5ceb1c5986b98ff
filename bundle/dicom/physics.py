"""Which kinds of series the numbers of a sequence allow: yes, no, or not known."""

from collections.abc import Iterable
from dataclasses import dataclass

from bundle.dicom.instance import Measured
from bundle.tasks.series_rules import SeriesKind, Timing


@dataclass(frozen=True)
class Physics:
    """What the numbers say.

    Attributes:
        kind: the only one that they allow, and for certain; None if there is none.
        possible: names of all that they do not exclude; those that declare no physics are not
            among them.
        shown: the numbers, for people.
    """

    kind: str | None
    possible: frozenset[str]
    shown: str


def judge_physics(measured: Measured, kinds: Iterable[SeriesKind]) -> Physics:
    """Compare a series with the ways in which each kind is measured.

    A number that the header lacks excludes nothing and proves nothing: a long TR without TI is no
    T2 until ScanningSequence says that no inversion came first.
    """
    verdicts = {kind.name: _best(kind.physics, measured) for kind in kinds if kind.physics}
    possible = frozenset(name for name, verdict in verdicts.items() if verdict is not False)
    certain = [name for name in possible if verdicts[name]]
    kind = certain[0] if len(possible) == 1 and certain else None
    return Physics(kind, possible, shown_numbers(measured))


def shown_numbers(measured: Measured) -> str:
    """Write the numbers of a sequence."""
    numbers = {"TE": measured.te, "TR": measured.tr, "TI": measured.ti}
    parts = [f"{name} {value:g}" for name, value in numbers.items() if value is not None]
    parts += [f"no {name}" for name, value in numbers.items() if value is None]
    if measured.sequence:
        parts.append("\\".join(measured.sequence))
    return ", ".join(parts)


def _best(timings: Iterable[Timing], measured: Measured) -> bool | None:
    """True if one way fits, None if one may, else False."""
    verdicts = [_fits(timing, measured) for timing in timings]
    if True in verdicts:
        return True
    return None if None in verdicts else False


def _fits(timing: Timing, measured: Measured) -> bool | None:
    verdicts = [
        _within(measured.te, timing.te),
        _within(measured.tr, timing.tr),
        _inverted_at(measured, timing.ti),
        _equals(measured.inversion, timing.inversion),
        _has_sequence(measured, timing),
    ]
    if False in verdicts:
        return False
    return None if None in verdicts else True


def _within(value: float | None, ends: tuple[float, float] | None) -> bool | None:
    if ends is None:
        return True
    return None if value is None else ends[0] <= value <= ends[1]


def _inverted_at(measured: Measured, ends: tuple[float, float] | None) -> bool | None:
    if ends is not None and measured.inversion is False:
        return False
    return _within(measured.ti, ends)


def _equals(value: bool | None, wanted: bool | None) -> bool | None:
    if wanted is None:
        return True
    return None if value is None else value == wanted


def _has_sequence(measured: Measured, timing: Timing) -> bool | None:
    sequence = set(measured.sequence)
    if sequence & set(timing.no_sequence):
        return False
    if not timing.sequence or sequence & set(timing.sequence):
        return True
    return None if not sequence - {"IR"} or "RM" in sequence else False
