"""What tells that a series of a DICOM study is a modality: its names and how it was measured."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

_RANGES = ("te", "tr", "ti")
_WORDS = ("sequence", "no_sequence")


@dataclass(frozen=True)
class Timing:
    """One way of measuring.

    Attributes:
        te: range of the echo time, ms; None for any.
        tr: range of the repetition time, ms.
        ti: range of the inversion time, ms.
        inversion: whether an inversion pulse comes first; None for either.
        sequence: values of ScanningSequence of which one must be there, such as ``SE``.
        no_sequence: values of it of which none may be there.
    """

    te: tuple[float, float] | None = None
    tr: tuple[float, float] | None = None
    ti: tuple[float, float] | None = None
    inversion: bool | None = None
    sequence: tuple[str, ...] = ()
    no_sequence: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in _RANGES:
            value = getattr(self, name)
            if value is not None and not (len(value) == 2 and 0 <= value[0] <= value[1]):
                raise ValueError(f"{name} must be two numbers, the smaller one first; got {value}")
        for name in _WORDS:
            value = getattr(self, name)
            if not isinstance(value, tuple) or not all(isinstance(word, str) for word in value):
                raise ValueError(f"{name} must be a list of words; got {value}")
        if self.inversion not in (None, True, False):
            raise ValueError(f"inversion must be true or false; got {self.inversion}")


@dataclass(frozen=True)
class SeriesKind:
    """A modality, a family of modalities that only a contrast agent tells apart, or what is none.

    Attributes:
        name: of the modality, of the family, or any other.
        title: what sentences call it.
        names: regular expression that finds it in descriptions: lower case, with a space for
            everything but letters, digits, ``+`` and ``*``.
        not_names: regular expression that must find nothing there.
        physics: ways in which it is measured.
        scanner: the value of Modality, such as ``MR``.
    """

    name: str
    title: str
    names: str
    not_names: str | None = None
    physics: tuple[Timing, ...] = ()
    scanner: str = "MR"

    def __post_init__(self) -> None:
        for pattern in filter(None, (self.names, self.not_names)):
            try:
                re.compile(pattern)
            except re.error as error:
                raise ValueError(f"{pattern!r} must be a regular expression ({error})") from None


def read_kinds(content: Mapping[str, Any]) -> dict[str, SeriesKind]:
    """Read the section ``series`` of a task's file.

    Raises:
        TypeError, ValueError: it does not say what it must.
    """
    return {str(name): _kind(str(name), entry) for name, entry in content.items()}


def _kind(name: str, entry: Mapping[str, Any]) -> SeriesKind:
    known = {field.name for field in fields(SeriesKind)} - {"name"}
    if not {"title", "names"} <= set(entry) <= known:
        raise ValueError(f"series.{name} must have title and names; got {entry}")
    physics = tuple(Timing(**_tuples(timing)) for timing in entry.get("physics", ()))
    return SeriesKind(**{**entry, "name": name, "physics": physics})


def _tuples(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in entry.items()}
