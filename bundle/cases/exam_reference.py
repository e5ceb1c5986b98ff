"""How exams usually look to a network, and what is said of one that does not."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import permutations
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from bundle.cases.appearance import Appearance, Numbers
from bundle.files.json_file import write_json

FEWEST_EXAMS = 5
"""Without so many nothing can be told from chance."""

NAMES_MARGIN = 4.0
"""Of the scores below, by which other names must fit better before they are spoken of."""

_VOLUME_DEVIATIONS = 3
_CLIPPED_AT = 3.0  # deviations: no single number decides which names fit
FARTHEST = 6.0  # deviations of one number, in the distance of an exam
# Deviations are at least these: few exams may resemble each other by chance.
_ALONE_FLOOR, _CORRELATION_FLOOR, _TAIL_FLOOR = 0.08, 0.08, 0.3
_VOLUME_FLOOR = 0.1
SEPARATOR = "+"
"""Between the two modalities of a pair."""


class Usual(NamedTuple):
    """Mean and standard deviation of numbers over exams."""

    means: list[float]
    deviations: list[float]

    def away(self, numbers: Sequence[float]) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Return how many deviations each number is away from the mean."""
        return (np.asarray(numbers) - self.means) / np.asarray(self.deviations)


@dataclass(frozen=True)
class Usuals:
    """What is usual for volume, modalities and pairs of modalities.

    Attributes:
        log_volume: of the volume inside in ml.
        alone: modality to its numbers.
        pairs: two modalities, joined by ``+``, to theirs.
    """

    log_volume: Usual
    alone: Mapping[str, Usual]
    pairs: Mapping[str, Usual]

    @classmethod
    def of(cls, exams: Sequence[Appearance]) -> "Usuals":
        """Learn it from exams; what fewer than ``FEWEST_EXAMS`` have is left out."""
        alone: dict[str, list[Numbers]] = {}
        pairs: dict[str, list[Numbers]] = {}
        for exam in exams:
            for modality, numbers in exam.alone.items():
                alone.setdefault(modality, []).append(numbers)
            for pair, numbers in exam.pairs.items():
                pairs.setdefault(SEPARATOR.join(pair), []).append(numbers)
        floors = [_CORRELATION_FLOOR, _TAIL_FLOOR, _TAIL_FLOOR]
        volumes = [(math.log(max(exam.volume_ml, 1e-3)),) for exam in exams]
        return cls(
            _usual(volumes, [_VOLUME_FLOOR]),
            {
                key: _usual(rows, [_ALONE_FLOOR])
                for key, rows in alone.items()
                if len(rows) >= FEWEST_EXAMS
            },
            {key: _usual(rows, floors) for key, rows in pairs.items() if len(rows) >= FEWEST_EXAMS},
        )

    def score(self, exam: Appearance) -> float:
        """Return how well an exam fits: the mean log-density of each part's numbers, added up."""
        total = 0.0
        for usual, numbers in self._parts(exam):
            away = np.minimum(np.abs(usual.away(numbers)), _CLIPPED_AT)
            total += 2 * float((-0.5 * away**2 - np.log(usual.deviations)).mean())
        return total

    def distance(self, exam: Appearance) -> float:
        """Return how far an exam is away from the usual: the root mean square of its parts'
        deviations.
        """
        squares = [
            float((np.minimum(np.abs(usual.away(numbers)), FARTHEST) ** 2).mean())
            for usual, numbers in self._parts(exam)
        ]
        return math.sqrt(sum(squares) / len(squares)) if squares else 0.0

    def best_names(self, exam: Appearance) -> tuple[dict[str, str], float]:
        """Return the names that fit an exam best, and by how much more than its own."""
        own = exam.modalities
        if not own or any(modality not in self.alone for modality in own):
            return {}, 0.0
        candidates = own if len(own) > 1 else tuple(self.alone)
        named = [dict(zip(own, names, strict=True)) for names in permutations(candidates, len(own))]
        scores = [self.score(exam.named(names)) for names in named]
        best = int(np.argmax(scores))
        return named[best], scores[best] - self.score(exam)

    def _parts(self, exam: Appearance) -> Iterator[tuple[Usual, Numbers]]:
        for modality, numbers in exam.alone.items():
            if modality in self.alone:
                yield self.alone[modality], numbers
        for (one, other), numbers in exam.pairs.items():
            forth, back = SEPARATOR.join((one, other)), SEPARATOR.join((other, one))
            if forth in self.pairs:
                yield self.pairs[forth], numbers
            elif back in self.pairs:
                yield self.pairs[back], _seen_from_the_other(numbers)


@dataclass(frozen=True)
class ExamReference:
    """What is usual, and from where on something is said.

    Attributes:
        weights_sha256: of the weights beside which it lies.
        task: its name.
        n_exams: that it was learnt from.
        usuals: of all of them.
        volumes_ml: smallest and largest.
        limits: number of modalities to the distance beyond which an exam is unlike the others.
        measured: how often each warning comes where it should and where it should not, every exam
            judged by the others, see ``reference_learning.measure``.
    """

    weights_sha256: str
    task: str
    n_exams: int
    usuals: Usuals
    volumes_ml: tuple[float, float]
    limits: Mapping[str, float]
    measured: Mapping[str, Any] = field(default_factory=dict)

    def doubts(self, exam: Appearance) -> tuple[str, ...]:
        """Say in words what is unlike the exams that it was learnt from."""
        names, is_unlike = judged(self.usuals, exam, self.limits)
        said = []
        if is_volume_odd(self.usuals, exam):
            low, high = self.volumes_ml
            said.append(
                f"what is not background measures {exam.volume_ml:.0f} ml, and {low:.0f} to"
                f" {high:.0f} ml in the {self.n_exams} exams of the reference: check that it is the"
                " whole brain and nothing else"
            )
        if names:
            moved = [f"{own} looks like {better}" for own, better in names.items()]
            said.append(
                f"{', '.join(moved)}, judged by the {self.n_exams} exams of the reference: check"
                " the names of the files"
            )
        if is_unlike:
            limit = self.limits[str(len(exam.modalities))]
            said.append(
                f"intensities are unlike those of the {self.n_exams} exams of the reference"
                f" (distance {self.usuals.distance(exam):.1f}, usually below {limit:.1f}): results"
                " may be worse than measured"
            )
        return tuple(said)

    def write(self, path: Path) -> None:
        """Write the file.

        Raises:
            OutputError: it cannot be written.
        """
        write_json(path, asdict(self))


def judged(
    usuals: Usuals, exam: Appearance, limits: Mapping[str, float]
) -> tuple[dict[str, str], bool]:
    """Tell which modalities look like others, and whether the exam is unlike the usual ones.

    An exam that is unlike under any names is no matter of names: a head with its skull, for
    example.

    Returns:
        Modality to the one that it looks like, empty if the names seem right; and the flag.
    """
    limit = limits.get(str(len(exam.modalities)), math.inf)
    names, gain = usuals.best_names(exam)
    if gain > NAMES_MARGIN and usuals.distance(exam.named(names)) <= limit:
        return {own: better for own, better in names.items() if own != better}, False
    return {}, usuals.distance(exam) > limit


def is_volume_odd(usuals: Usuals, exam: Appearance) -> bool:
    """Whether what is inside is much smaller or larger than usual."""
    away = usuals.log_volume.away([math.log(max(exam.volume_ml, 1e-3))])
    return bool(abs(away[0]) > _VOLUME_DEVIATIONS)


def _usual(rows: Sequence[Sequence[float]], floors: Sequence[float]) -> Usual:
    values = np.asarray(rows, np.float64)
    deviations = values.std(axis=0, ddof=1) if len(values) > 1 else np.zeros(values.shape[1])
    return Usual(values.mean(axis=0).tolist(), np.maximum(deviations, floors).tolist())


def _seen_from_the_other(numbers: Numbers) -> Numbers:
    """Exchange the two modalities of a pair: what rises together does so either way."""
    correlation, *tails = numbers
    return (correlation, *(-tail for tail in tails))
