"""What all trainings of a study gave, and what is read off them."""

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

import numpy as np

from bundle.classification.judging.class_comparison import spread
from bundle.classification.judging.class_metrics import calibration, counter_intuitive
from bundle.classification.judging.class_scores import ClassScores
from bundle.evaluation.judged_run import SCORES
from tests.benchmarks.class_rows import SIMMLM, WITHOUT_MOFE, Row, Study


@dataclass(frozen=True)
class Judged:
    """What all trainings of a study gave.

    Attributes:
        study: what was compared.
        work: folder of the trainings.
        seeds: of the trainings.
    """

    study: Study
    work: Path
    seeds: Sequence[int]

    def runs(self, row: Row) -> list[ClassScores]:
        """Return the scores of a row, one per seed."""
        name = f"{row.name}{row.condition_name}"
        folders = [self.work / f"seed-{seed}" / name / "judged" for seed in self.seeds]
        return [ClassScores.read(folder / SCORES) for folder in folders]

    def has(self, row: Row) -> bool:
        """Whether a row was trained with all seeds."""
        name = f"{row.name}{row.condition_name}"
        return all(
            (self.work / f"seed-{seed}" / name / "judged" / SCORES).exists() for seed in self.seeds
        )

    def over_seeds(self, row: Row, value: Callable[[ClassScores], float]) -> list[float]:
        """Return a value of each run."""
        return [value(run) for run in self.runs(row)]

    def training_minutes(self) -> float:
        """Add up what all trainings took, of their tables of epochs; each has one thread."""
        seconds = 0.0
        for seed in self.seeds:
            for table in (self.work / f"seed-{seed}").glob("*/*.csv"):
                with table.open(newline="", encoding="utf-8") as file:
                    seconds += sum(float(row["seconds"]) for row in csv.DictReader(file))
        return seconds / 60

    def lambda_rows(self) -> dict[float, Row]:
        """Return the rows of the sweep in order of their weight."""
        rows = {0.0: WITHOUT_MOFE, 0.1: SIMMLM, **self.study.lambdas}
        return {weight: rows[weight] for weight in sorted(rows) if self.has(rows[weight])}


def accuracy_of(name: str) -> Callable[[ClassScores], float]:
    return lambda scores: float(np.nanmean(scores.correct[:, scores.of_set(name)]))


def error_of(name: str) -> Callable[[ClassScores], float]:
    def error(scores: ClassScores) -> float:
        place = scores.of_set(name)
        known = scores.is_known[:, place]
        confidence, correct = scores.confidence[known, place], scores.correct[known, place]
        return float(calibration(confidence, correct, np.ones((1, len(correct))))[0])

    return error


def rate_of(kind: str) -> Callable[[ClassScores], float]:
    return lambda scores: counter_intuitive(scores, seed=0)[kind].rate


def shown(values: Sequence[float], digits: int = 2) -> str:
    """Write shares in percent: mean ± standard deviation over seeds."""
    deviation = spread(values)
    after = "" if np.isnan(deviation) else f" ± {100 * deviation:.{digits}f}"
    return f"{100 * mean(values):.{digits}f}{after}"
