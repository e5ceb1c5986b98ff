"""What a network said of labelled cases: one row per case and modality set."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bundle.errors import UsageError
from bundle.evaluation.task_names import TaskNames
from bundle.files.atomic_file import unescaped, write_csv

Floats = NDArray[np.float64]

COLUMNS = ("case", "set", "class", "predicted", "confidence", "probability")
WEIGHT = "weight-"


@dataclass(frozen=True)
class ClassScores:
    """N cases, S modality sets, M modalities; NaN where a case lacks a modality of the set.

    Attributes:
        modalities: names, in the network's order.
        cases: names.
        sets: names, small ones first.
        truth: (N,) names of the right classes.
        predicted: (N, S) names of the most probable classes; empty where nothing is known.
        confidence: (N, S), probability of the predicted class.
        probability: (N, S), probability of the right class.
        weights: (N, S, M), the gate's.
    """

    modalities: tuple[str, ...]
    cases: tuple[str, ...]
    sets: tuple[str, ...]
    truth: NDArray[np.str_]
    predicted: NDArray[np.str_]
    confidence: Floats
    probability: Floats
    weights: Floats

    @property
    def is_known(self) -> NDArray[np.bool_]:
        """Where something was predicted, (N, S)."""
        return np.isfinite(self.probability)

    @property
    def correct(self) -> Floats:
        """1 where the predicted class is right, 0 where it is wrong, (N, S)."""
        right: Floats = np.equal(self.predicted, self.truth[:, None]).astype(np.float64)
        return np.where(self.is_known, right, np.nan)

    @property
    def negative_log(self) -> Floats:
        """Negative logarithm of the right class's probability, in nats, (N, S)."""
        smallest = np.finfo(np.float32).tiny  # what a float32 softmax can still tell from 0
        return -np.log(np.maximum(self.probability, smallest))

    def of_set(self, name: str) -> int:
        """Return the position of a set.

        Raises:
            UsageError: E_SCORES, there is none of that name.
        """
        if name not in self.sets:
            raise UsageError(
                "E_SCORES", f"set must be one of {', '.join(self.sets)}; got {name!r}. Choose one."
            )
        return self.sets.index(name)

    def write(self, path: Path) -> None:
        """Write the table as CSV.

        Raises:
            OutputError: the file cannot be written.
        """
        weights = [f"{WEIGHT}{name}" for name in self.modalities]
        rows = []
        for n, s in np.argwhere(self.is_known).tolist():
            numbers = [self.confidence[n, s], self.probability[n, s], *self.weights[n, s]]
            words = [self.cases[n], self.sets[s], str(self.truth[n]), str(self.predicted[n, s])]
            cells = [*words, *(f"{number:.9g}" for number in numbers)]
            rows.append(dict(zip((*COLUMNS, *weights), cells, strict=True)))
        write_csv(path, (*COLUMNS, *weights), rows)

    @classmethod
    def read(cls, path: Path) -> "ClassScores":
        """Read a table that ``write`` wrote.

        Raises:
            UsageError: E_SCORES, the file cannot be read or is no such table.
        """
        try:
            with path.open(newline="", encoding="utf-8-sig") as file:
                table = csv.DictReader(file)
                names = table.fieldnames or ()
                weights = [name for name in names if name.startswith(WEIGHT)]
                if not weights or set(COLUMNS) - set(names):
                    raise ValueError(f"columns must be {','.join(COLUMNS)},{WEIGHT}…")
                return _gathered(list(table), [name.removeprefix(WEIGHT) for name in weights])
        except (OSError, ValueError, KeyError, TypeError, csv.Error) as error:
            raise UsageError(
                "E_SCORES",
                f"{path} must be scores of classes that `simmlm evaluate` wrote; got {error}."
                " Judge again.",
            ) from None


def holds_classes(path: Path) -> bool:
    """Whether a file is a table of what was said of classes, by its first line."""
    try:
        with path.open(encoding="utf-8-sig") as file:
            return set(COLUMNS) <= set(file.readline().strip().split(","))
    except (OSError, UnicodeDecodeError):
        return False


def scores_of(
    cases: Mapping[str, Sequence[str]],
    probabilities: Floats,
    weights: Floats,
    *,
    classes: Sequence[str],
    names: TaskNames,
) -> ClassScores:
    """Make scores of what a network gave.

    Args:
        cases: names of N cases under ``case``, and of their right classes under ``class``.
        probabilities: (N, S, C), NaN where unknown; S are all sets of the modalities in the order
            of ``TaskNames.modality_sets``.
        weights: (N, S, M).
        classes: C names.
        names: of the modalities.
    """
    known = np.isfinite(probabilities).all(axis=2)
    filled = np.nan_to_num(probabilities)
    best = filled.argmax(axis=2)
    order = {name: position for position, name in enumerate(classes)}
    right = np.array([order[name] for name in cases["class"]], np.int64)
    own = np.take_along_axis(filled, np.broadcast_to(right[:, None, None], (*best.shape, 1)), 2)
    return ClassScores(
        names.modalities,
        tuple(cases["case"]),
        names.modality_sets,
        np.array(cases["class"], np.str_),
        np.where(known, np.array(classes, np.str_).take(best), ""),
        np.where(known, filled.max(axis=2), np.nan),
        np.where(known, own[..., 0], np.nan),
        weights,
    )


def _gathered(rows: Sequence[Mapping[str, Any]], modalities: Sequence[str]) -> ClassScores:
    names = TaskNames("", dict(zip(modalities, modalities, strict=True)), ())
    truth = {unescaped(row["case"]): unescaped(row["class"]) for row in rows}
    sets, cases = names.modality_sets, tuple(truth)
    place = {case: position for position, case in enumerate(cases)}
    shape = (len(cases), len(sets))
    predicted = np.full(shape, "", dtype=f"U{max(map(len, truth.values()), default=1) + 64}")
    numbers = np.full((*shape, 2 + len(modalities)), np.nan)
    for row in rows:
        at = place[unescaped(row["case"])], sets.index(row["set"])
        predicted[at] = unescaped(row["predicted"])
        wanted = ("confidence", "probability", *(f"{WEIGHT}{name}" for name in modalities))
        numbers[at] = [float(row[name]) for name in wanted]
    return ClassScores(
        tuple(modalities),
        cases,
        sets,
        np.array(list(truth.values()), np.str_),
        predicted,
        numbers[..., 0],
        numbers[..., 1],
        numbers[..., 2:],
    )
