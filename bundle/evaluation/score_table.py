"""The tidy table of an evaluation: one row per case, modality set, region and metric."""

import csv
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bundle.errors import UsageError
from bundle.evaluation.metrics import TRUE_VOLUME, Metric, metric_named
from bundle.evaluation.task_names import GIVEN, TaskNames
from bundle.files.atomic_file import unescaped, write_csv

COLUMNS = ("case", "set", "region", "metric", "value")
EMPTY = ("skip", "one")

Floats = NDArray[np.float64]
Key = tuple[str, str, str, str]

_SIGNIFICANT_DIGITS = 6


@dataclass(frozen=True)
class Score:
    """One number; NaN where it is not defined."""

    case: str
    modality_set: str
    region: str
    metric: str
    value: float


class ScoreTable:
    """All scores of a run.

    Args:
        scores: at most one per case, set, region and metric.
        names: of the task's modalities and regions.

    Attributes:
        names: as given.
        cases: names, sorted.
        sets: those that occur, small ones first.
        regions: those that occur, in the task's order.
        metrics: in the order of their first score.

    Raises:
        UsageError: E_SCORES, there are none, a set or a region is unknown, a value is infinite, or
            a row comes twice.
    """

    def __init__(self, scores: Iterable[Score], names: TaskNames) -> None:
        self.names = names
        self._scores: dict[Key, float] = {}
        for score in scores:
            self._add(score)
        if not self._scores:
            raise UsageError(
                "E_SCORES", "Scores must have at least one row; got none. Judge at least one case."
            )
        cases, sets, regions, metrics = zip(*self._scores, strict=True)
        self.cases = tuple(sorted(set(cases)))
        self.sets = _in_order(names.all_sets, sets)
        self.regions = _in_order(names.regions, regions)
        self.metrics = tuple(dict.fromkeys(metrics))

    def metric(self, name: str) -> Metric:
        """Return the metric of a name."""
        return metric_named(name, self.names.titles)

    def values(self, metric: str, *, empty: str = "skip") -> Floats:
        """Return the values of a metric as an array.

        Args:
            metric: one of ``metrics``.
            empty: ``skip`` leaves out (case, region) of which ``truth_ml`` is 0, from all metrics
                that compare with the truth; ``one`` keeps the values of the table.

        Returns:
            (cases, sets, regions), NaN where there is none.

        Raises:
            UsageError: E_SCORES, the table has no such metric, or nothing tells which regions the
                truth has.
        """
        if metric not in self.metrics:
            known = ", ".join(self.metrics)
            raise UsageError(
                "E_SCORES", f"metric must be one of {known}; got {metric!r}. Choose one of them."
            )
        if empty not in EMPTY:
            raise ValueError(f"empty must be one of {', '.join(EMPTY)}; got {empty!r}.")
        values = self._array(metric)
        if empty == "skip" and self.metric(metric).needs_truth:
            if TRUE_VOLUME.name not in self.metrics:
                raise UsageError(
                    "E_SCORES",
                    f"Scores must have {TRUE_VOLUME.name} to leave out regions that the truth does"
                    f" not have; got only {', '.join(self.metrics)}. Add it, or choose the"
                    " convention one.",
                )
            absent = (self._array(TRUE_VOLUME.name) == 0).any(axis=1, keepdims=True)
            values = np.where(absent, np.nan, values)
        return values

    def as_given(self, chosen: str) -> "ScoreTable":
        """Take the scores of one set for ``GIVEN``, so that they stand beside those of anybody's
        label maps.

        Raises:
            UsageError: E_SCORES, the table has no such set.
        """
        if chosen not in self.sets:
            raise UsageError(
                "E_SCORES",
                f"set must be one of {', '.join(self.sets)}; got {chosen!r}. Choose one of them.",
            )
        scores = [
            Score(case, GIVEN, region, metric, value)
            for (case, name, region, metric), value in self._scores.items()
            if name == chosen
        ]
        return ScoreTable(scores, self.names)

    def scores(self) -> list[Score]:
        """Return its rows."""
        return [Score(*key, value) for key, value in self._scores.items()]

    def write(self, path: Path) -> None:
        """Write the table as CSV.

        Raises:
            OutputError: the file cannot be written.
        """
        rows = []
        for key, value in self._scores.items():
            text = "" if math.isnan(value) else f"{value:.{_SIGNIFICANT_DIGITS}g}"
            rows.append(dict(zip(COLUMNS, (*key, text), strict=True)))
        write_csv(path, COLUMNS, rows)

    @classmethod
    def read(cls, path: Path, names: TaskNames) -> "ScoreTable":
        """Read a table that ``write`` wrote.

        An empty value is NaN, and other columns are left alone.

        Args:
            path: of the CSV file.
            names: of the modalities and regions of the task that it is about.

        Raises:
            UsageError: E_SCORES, the file cannot be read or is no such table; the message names it
                and what is wrong.
        """
        try:
            # Spreadsheets add a byte order mark.
            with path.open(newline="", encoding="utf-8-sig") as file:
                table = csv.DictReader(file)
                if set(COLUMNS) - set(table.fieldnames or ()):
                    found = ",".join(table.fieldnames or ()) or "an empty file"
                    raise ValueError(
                        f"columns must be {','.join(COLUMNS)}; got {found}. Give a scores.csv of"
                        " `simmlm evaluate`."
                    )
                return cls([_score(row, table.line_num) for row in table], names)
        except (OSError, ValueError, csv.Error) as error:
            raise UsageError("E_SCORES", f"{path} must be a table of scores; {error}") from None
        except UsageError as error:
            raise UsageError("E_SCORES", f"{path}: {error}") from None

    def _add(self, score: Score) -> None:
        key = (score.case, score.modality_set, score.region, score.metric)
        if score.modality_set not in self.names.all_sets:
            example = self.names.all_sets[len(self.names.all_sets) // 2]
            order = ", ".join(self.names.modalities)
            raise UsageError(
                "E_SCORES",
                f"set must be modalities such as {example}, or {GIVEN}; got"
                f" {score.modality_set!r}. Name them in the order {order}.",
            )
        if score.region not in self.names.regions:
            raise UsageError(
                "E_SCORES",
                f"region must be one of {', '.join(self.names.regions)}; got {score.region!r}."
                " Rename it.",
            )
        if math.isinf(score.value):
            raise UsageError(
                "E_SCORES",
                f"A value must be finite; got {score.value} for {', '.join(key)}. Leave it empty.",
            )
        if key in self._scores:
            raise UsageError(
                "E_SCORES", f"A row must come once; got {', '.join(key)} twice. Remove one."
            )
        self._scores[key] = float(score.value)

    def _array(self, metric: str) -> Floats:
        values = [
            self._scores.get((case, chosen, region, metric), math.nan)
            for case in self.cases
            for chosen in self.sets
            for region in self.regions
        ]
        return np.array(values, np.float64).reshape(
            len(self.cases), len(self.sets), len(self.regions)
        )


def _in_order(order: Sequence[str], found: Iterable[str]) -> tuple[str, ...]:
    there = set(found)
    return tuple(name for name in order if name in there)


def _score(row: dict[str, str], line: int) -> Score:
    if None in row or None in row.values():  # too many fields, as with a decimal comma, or too few
        found = "fewer" if None in row.values() else "more"
        raise ValueError(
            f"line {line} must have as many fields as the first line; got {found}. Mend the line."
        )
    try:
        value = float(row["value"]) if row["value"] else math.nan
    except ValueError:
        raise ValueError(
            f"value must be a number or empty; got {row['value']!r} in line {line}. Mend the line."
        ) from None
    return Score(unescaped(row["case"]), row["set"], row["region"], row["metric"], value)
