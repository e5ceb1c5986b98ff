"""Learns how exams usually look to a network, and measures what is then said of them."""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any

from bundle.cases.appearance import Appearance, appearance_of
from bundle.cases.exam_reference import (
    FEWEST_EXAMS,
    SEPARATOR,
    ExamReference,
    Usuals,
    is_volume_odd,
    judged,
)
from bundle.errors import SetupError, find_user_error
from bundle.tasks.task import Task
from bundle.tensors import plain_tensor

LOGGER = logging.getLogger("simmlm")
LIMIT_FACTOR = 1.5  # of the largest distance that one exam has from the others
LARGEST_LIMIT = 5.0  # below the largest distance that there is: an odd exam must not silence all


def looks_of(
    cases: Iterable[dict[str, Any]],
    prepare: Callable[[dict[str, Any]], dict[str, Any]],
    task: Task,
) -> list[Appearance]:
    """Look at every exam that can be prepared; the others are named in the log and left out."""
    found = []
    for case in cases:
        try:
            exam = prepare(case)
            found.append(appearance_of(plain_tensor(exam["image"]), exam["presence"], task))
        except Exception as error:
            known = find_user_error(error)
            if known is None:
                raise
            LOGGER.warning("left out: %s: %s", known.code, known)
    return found


def learn(exams: Sequence[Appearance], weights_sha256: str, task: str) -> ExamReference:
    """Learn a reference from exams, and measure it.

    Raises:
        SetupError: E_REFERENCE, they are not more than ``FEWEST_EXAMS``.
    """
    if len(exams) <= FEWEST_EXAMS:
        raise SetupError(
            "E_REFERENCE",
            f"A reference must be learnt from more than {FEWEST_EXAMS} exams; got {len(exams)} that"
            " could be read. Add exams.",
        )
    usuals = [Usuals.of([*exams[:i], *exams[i + 1 :]]) for i in range(len(exams))]
    distances = [_distances(exam, others) for exam, others in zip(exams, usuals, strict=True)]
    volumes = [exam.volume_ml for exam in exams]
    return ExamReference(
        weights_sha256,
        task,
        len(exams),
        Usuals.of(exams),
        (min(volumes), max(volumes)),
        _limits(distances),
        measure(exams, usuals, distances),
    )


def measure(
    exams: Sequence[Appearance],
    usuals: Sequence[Usuals],
    distances: Sequence[Mapping[str, Sequence[float]]],
) -> dict[str, Any]:
    """Count the warnings of exams that are as they should be, from every set of their modalities,
    and of the same exams with exchanged names.

    Args:
        exams: as they are.
        usuals: learnt for each of them from the others.
        distances: of each from these, by number of modalities; an exam is held against the limits
            that those of the others set.

    Returns:
        ``false``: kind of warning to number of modalities to [warnings, exams]; ``found``: two
        modalities to [warnings, exams], where all of an exam's modalities are there and these two
        have each other's name.
    """
    false: dict[str, dict[str, list[int]]] = {"volume": {}, "names": {}, "distance": {}}
    found: dict[str, list[int]] = {}
    for i, (exam, others) in enumerate(zip(exams, usuals, strict=True)):
        limits = _limits([*distances[:i], *distances[i + 1 :]])
        for part in _subsets(exam):
            size = str(len(part.modalities))
            better_names, is_unlike = judged(others, part, limits)
            raised = {
                "volume": is_volume_odd(others, part),
                "names": bool(better_names),
                "distance": is_unlike,
            }
            for kind, is_raised in raised.items():
                _count(false[kind], size, is_raised)
        for one, other in combinations(exam.modalities, 2):
            names = {name: name for name in exam.modalities} | {one: other, other: one}
            better_names, _ = judged(others, exam.named(names), limits)
            _count(found, SEPARATOR.join((one, other)), bool(better_names))
    return {"false": false, "found": found}


def _distances(exam: Appearance, others: Usuals) -> dict[str, list[float]]:
    """Return how far each set of its modalities is away, by their number."""
    found: dict[str, list[float]] = {}
    for part in _subsets(exam):
        found.setdefault(str(len(part.modalities)), []).append(others.distance(part))
    return found


def _limits(distances: Iterable[Mapping[str, Sequence[float]]]) -> dict[str, float]:
    largest: dict[str, float] = {}
    for of_exam in distances:
        for size, values in of_exam.items():
            largest[size] = max(largest.get(size, 0.0), *values)
    return {size: min(LIMIT_FACTOR * value, LARGEST_LIMIT) for size, value in largest.items()}


def _subsets(exam: Appearance) -> Iterator[Appearance]:
    for size in range(1, len(exam.modalities) + 1):
        for chosen in combinations(exam.modalities, size):
            yield Appearance(
                exam.volume_ml,
                {name: exam.alone[name] for name in chosen},
                {pair: value for pair, value in exam.pairs.items() if set(pair) <= set(chosen)},
            )


def _count(table: dict[str, list[int]], key: str, is_raised: bool) -> None:
    raised, total = table.get(key, [0, 0])
    table[key] = [raised + is_raised, total + 1]
