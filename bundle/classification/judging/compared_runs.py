"""Judged runs of classes side by side, each compared with the first."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from bundle.classification.judging.class_comparison import (
    McNemar,
    accuracy_difference,
    mcnemars,
)
from bundle.classification.judging.class_metrics import accuracy
from bundle.classification.judging.class_scores import ClassScores
from bundle.evaluation.reports.markup import (
    latex_number,
    latex_table,
    latex_text,
    markdown_table,
    markdown_text,
)
from bundle.evaluation.statistics.intervals import Difference, Interval

HEAD = ("modalities", "run", "accuracy, %", "difference, points", "p")


@dataclass(frozen=True)
class ComparedRun:
    """One run on one modality set.

    Attributes:
        modality_set: by name.
        run: by name.
        accuracy: over cases.
        difference: to the first run, over cases; None of that run itself.
        test: likewise; run first, the first run second.
    """

    modality_set: str
    run: str
    accuracy: Interval
    difference: Difference | None = None
    test: McNemar | None = None

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON."""
        return {
            "set": self.modality_set,
            "run": self.run,
            "accuracy": self.accuracy.to_json(),
            "difference": None if self.difference is None else self.difference.to_json(),
            "mcnemar": None if self.test is None else asdict(self.test),
        }

    def cells(self) -> list[str]:
        """Return the cells of a table."""
        shown = [self.modality_set, self.run, _percent(self.accuracy, "")]
        if self.difference is None or self.test is None:
            return [*shown, "–", "–"]
        return [*shown, _percent(self.difference, "+"), f"{self.test.p:.3f}"]


def compare_runs(runs: Mapping[str, ClassScores], seed: int) -> list[ComparedRun]:
    """Compare the accuracy of runs on every modality set that the first one knows.

    Args:
        runs: by name; all on the same cases. The first is the reference.
        seed: of the bootstrap.

    Raises:
        UsageError: E_SCORES, a run lacks a set or judged other cases.
    """
    (first, reference), *others = runs.items()
    rows = []
    for place, name in enumerate(reference.sets):
        if not reference.is_known[:, place].any():
            continue
        rows.append(ComparedRun(name, first, accuracy(reference, name, seed)))
        for run, scores in others:
            found = accuracy_difference([scores], [reference], name, seed)
            (test,) = mcnemars([scores], [reference], name)
            rows.append(ComparedRun(name, run, accuracy(scores, name, seed), found, test))
    return rows


def markdown_runs(rows: Sequence[ComparedRun]) -> str:
    """Table compared runs for people."""
    note = (
        f"Differences to {markdown_text(rows[0].run)}: 95 % intervals of a paired bootstrap over"
        " cases, p of McNemar's exact test, not corrected for the number of tests."
    )
    cells = [list(map(markdown_text, row.cells())) for row in rows]
    return f"{note}\n\n{markdown_table(HEAD, cells, ['---', '---', *['---:'] * 3])}"


def latex_runs(rows: Sequence[ComparedRun]) -> str:
    r"""Table compared runs for LaTeX; it needs ``\usepackage{booktabs}``."""
    cells = [[latex_number(latex_text(cell)) for cell in row.cells()] for row in rows]
    return latex_table([latex_text(name) for name in HEAD], [cells], "llrrr")


def _percent(found: Interval, sign: str) -> str:
    numbers = [f"{100 * number:{sign}.2f}" for number in (found.mean, found.low, found.high)]
    return f"{numbers[0]} ({numbers[1]} to {numbers[2]})"
