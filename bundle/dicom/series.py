"""Sorts the files of a study into series, and these into what one volume can be made of."""

from collections import defaultdict
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from pathlib import Path

from bundle.dicom.instance import Instance, Measured
from bundle.plain_text import printable

_ORIENTATION_DIGITS = 2


@dataclass(frozen=True)
class Series:
    """Files of one SeriesInstanceUID that were measured alike and along the same planes.

    Attributes:
        instances: at least one; each SOPInstanceUID once.
        part: what tells it from others of the same series; empty if it is all of it.
        n_repeated: files that were there twice, byte by byte the same object, and are used once.
    """

    instances: tuple[Instance, ...]
    part: str = ""
    n_repeated: int = 0

    @property
    def first(self) -> Instance:
        """The instance whose header stands for all."""
        return self.instances[0]

    @property
    def uid(self) -> str:
        """SeriesInstanceUID, with the part after a ``#`` if there are several."""
        return f"{self.first.series_uid}#{self.part}" if self.part else self.first.series_uid

    @property
    def title(self) -> str:
        """What messages call it: number and description, never the patient."""
        number = "without number" if self.first.number is None else str(self.first.number)
        description = self.first.description or self.first.protocol or "no description"
        part = f", {self.part}" if self.part else ""
        return f"series {number} ({printable(description)}{part})"

    @property
    def measured(self) -> Measured:
        """How it was measured."""
        return self.first.measured

    @property
    def n_slices(self) -> int:
        """Slices of all files."""
        return sum(len(instance.places) for instance in self.instances)

    @property
    def paths(self) -> tuple[Path, ...]:
        """Files, in the order of the instances."""
        return tuple(instance.path for instance in self.instances)

    @property
    def time(self) -> str:
        """When its acquisition began; empty if no header says it."""
        return min((one.time for one in self.instances if one.time), default="")

    @property
    def is_derived(self) -> bool:
        """Whether it was computed from other images."""
        return any(one.image_type[:1] == ("DERIVED",) for one in self.instances)


def sort_series(instances: Iterable[Instance]) -> tuple[Series, ...]:
    """Group instances, by series and part, in the order of their numbers."""
    groups: dict[str, list[Instance]] = defaultdict(list)
    for instance in instances:
        groups[instance.series_uid].append(instance)
    parts = [part for group in groups.values() for part in _parts(group)]
    return tuple(sorted(parts, key=_order))


def _order(series: Series) -> tuple[float, str, str]:
    number = series.first.number
    return (float("inf") if number is None else number, series.first.series_uid, series.part)


def _parts(group: list[Instance]) -> list[Series]:
    """Split what one SeriesInstanceUID holds: echoes, b-values, planes, kinds of images."""
    distinct, n_repeated = _distinct(group)
    keys = [_key(instance) for instance in distinct]
    differing = [place for place in range(len(keys[0])) if len({key[place] for key in keys}) > 1]
    parts: dict[str, list[Instance]] = defaultdict(list)
    for instance, key in zip(distinct, keys, strict=True):
        parts[", ".join(_NAMES[place](key[place]) for place in differing)].append(instance)
    return [Series(tuple(part), name, n_repeated) for name, part in sorted(parts.items())]


def _key(instance: Instance) -> tuple[Hashable, ...]:
    orientation = instance.places[0].orientation if instance.places else None
    rounded = None if orientation is None else _plane(orientation)
    te = instance.measured.te
    kinds = tuple(word for word in instance.image_type if word in _KINDS)
    return (None if te is None else round(te, 1), instance.measured.b_value, rounded, kinds)


_KINDS = ("M", "P", "R", "I", "PHASE", "REAL", "IMAGINARY", "MAGNITUDE", "W", "F", "IP", "OP")
"""Values of ImageType by which one series may hold several kinds of images."""


def _plane(orientation: tuple[float, ...]) -> tuple[float, ...]:
    return tuple(round(value, _ORIENTATION_DIGITS) + 0.0 for value in orientation)


def _plane_name(orientation: Hashable) -> str:
    """Name a plane by the axis that its slices follow most."""
    if not isinstance(orientation, tuple):
        return "no plane"
    a, b, c, d, e, f = orientation
    normal = [abs(b * f - c * e), abs(c * d - a * f), abs(a * e - b * d)]
    name = ("sagittal", "coronal", "axial")[normal.index(max(normal))]
    return f"{name} {' '.join(f'{value:g}' for value in orientation)}"


def _echo_name(te: Hashable) -> str:
    return "no echo time" if te is None else f"echo time {te} ms"


def _b_name(b_value: Hashable) -> str:
    return "no b-value" if b_value is None else f"b {b_value}"


def _kinds_name(kinds: Hashable) -> str:
    return " ".join(kinds) if isinstance(kinds, tuple) and kinds else "other"


_NAMES = (_echo_name, _b_name, _plane_name, _kinds_name)


def _distinct(group: list[Instance]) -> tuple[list[Instance], int]:
    """Leave out copies of a file, by SOPInstanceUID, size and header."""
    seen: dict[tuple[Hashable, ...], Instance] = {}
    for instance in group:
        place = instance.places[0] if instance.places else None
        key = (instance.sop_uid, place, instance.patient, instance.path.stat().st_size)
        seen.setdefault(key, instance)
    return list(seen.values()), len(group) - len(seen)
