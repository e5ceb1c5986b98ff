"""The tidy table of an evaluation: one row per case, modality set, region and metric."""

import csv
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bundle.errors import UsageError
from bundle.files.atomic_file import unescaped, write_csv
from bundle.tasks.modalities import MODALITIES, modality_sets
from bundle.tasks.regions import REGIONS

GIVEN = "given"
"""Stands for the modality set where nobody knows from which modalities a prediction was made."""

COLUMNS = ("case", "set", "region", "metric", "value")
EMPTY = ("skip", "one")

Floats = NDArray[np.float64]
Key = tuple[str, str, str, str]

_SEPARATOR = "+"
_SIGNIFICANT_DIGITS = 6


@dataclass(frozen=True)
class Score:
    """One number; NaN where it is not defined."""

    case: str
    modality_set: str
    region: str
    metric: str
    value: float


def set_name(names: Iterable[str]) -> str:
    """Name a modality set by its members, in ``MODALITIES`` order: ``t1c+t2f``."""
    chosen = set(names)
    return _SEPARATOR.join(modality for modality in MODALITIES if modality in chosen)


def set_members(name: str) -> tuple[str, ...]:
    """Return the modalities of a set by its name; none for ``GIVEN``."""
    return () if name == GIVEN else tuple(name.split(_SEPARATOR))


ALL_SETS = (*(set_name(chosen) for chosen in modality_sets()), GIVEN)
"""Names of all sets in the order of tables: small ones first."""


class ScoreTable:
    """All scores of a run.

    Args:
        scores: at most one per case, set, region and metric.

    Attributes:
        cases: names, sorted.
        sets: those that occur, in the order of ``ALL_SETS``.
        regions: those that occur, in ``REGIONS`` order.
        metrics: in the order of their first score.

    Raises:
        UsageError: E_SCORES, there are none, a set or a region is unknown, a value is infinite, or
            a row comes twice.
    """

    def __init__(self, scores: Iterable[Score]) -> None:
        self._scores: dict[Key, float] = {}
        for score in scores:
            self._add(score)
        if not self._scores:
            raise UsageError(
                "E_SCORES", "Scores must have at least one row; got none. Judge at least one case."
            )
        cases, sets, regions, metrics = (
            dict.fromkeys(part) for part in zip(*self._scores, strict=True)
        )
        self.cases = tuple(sorted(cases))
        self.sets = tuple(name for name in ALL_SETS if name in sets)
        self.regions = tuple(region for region in REGIONS if region in regions)
        self.metrics = tuple(metrics)

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
        if empty == "skip" and skips_empty(metric):
            if "truth_ml" not in self.metrics:
                raise UsageError(
                    "E_SCORES",
                    "Scores must have truth_ml to leave out regions that the truth does not have;"
                    f" got only {', '.join(self.metrics)}. Add it, or choose the convention one.",
                )
            absent = (self._array("truth_ml") == 0).any(axis=1, keepdims=True)
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
        return ScoreTable(
            Score(case, GIVEN, region, metric, value)
            for (case, name, region, metric), value in self._scores.items()
            if name == chosen
        )

    def write(self, path: Path) -> None:
        """Write the table as CSV.

        Raises:
            OutputError: the file cannot be written.
        """
        rows = (
            dict(
                zip(
                    COLUMNS,
                    (*key, "" if math.isnan(value) else f"{value:.{_SIGNIFICANT_DIGITS}g}"),
                    strict=True,
                )
            )
            for key, value in self._scores.items()
        )
        write_csv(path, COLUMNS, rows)

    @classmethod
    def read(cls, path: Path) -> "ScoreTable":
        """Read a table that ``write`` wrote; an empty value is NaN, and other columns are left
        alone.

        Raises:
            UsageError: E_SCORES, the file cannot be read or is no such table; the message names it
                and what is wrong.
        """
        try:
            with path.open(
                newline="", encoding="utf-8-sig"
            ) as file:  # spreadsheets add a byte order mark
                table = csv.DictReader(file)
                if set(COLUMNS) - set(table.fieldnames or ()):
                    found = ",".join(table.fieldnames or ()) or "an empty file"
                    raise ValueError(
                        f"columns must be {','.join(COLUMNS)}; got {found}. Give a scores.csv of"
                        " `simmlm evaluate`."
                    )
                return cls([_score(row, table.line_num) for row in table])
        except (OSError, ValueError, csv.Error) as error:
            raise UsageError("E_SCORES", f"{path} must be a table of scores; {error}") from None
        except UsageError as error:
            raise UsageError("E_SCORES", f"{path}: {error}") from None

    def _add(self, score: Score) -> None:
        key = (score.case, score.modality_set, score.region, score.metric)
        if score.modality_set not in ALL_SETS:
            raise UsageError(
                "E_SCORES",
                f"set must be modalities such as t1c+t2f, or {GIVEN}; got {score.modality_set!r}. "
                f"Name them in the order {', '.join(MODALITIES)}.",
            )
        if score.region not in REGIONS:
            raise UsageError(
                "E_SCORES",
                f"region must be one of {', '.join(REGIONS)}; got {score.region!r}. Rename it.",
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


def skips_empty(metric: str) -> bool:
    """Say whether the convention ``skip`` matters: volumes and weights mean something without a
    region in the truth.
    """
    return not metric.endswith("_ml") and not metric.startswith("weight_")


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
