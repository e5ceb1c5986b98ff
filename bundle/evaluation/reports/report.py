"""Gathers judged cases and writes what people read: tables, numbers for other programs,
pictures.
"""

from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import monai
import torch

from bundle import __version__
from bundle.errors import UsageError
from bundle.evaluation.case_slices import CaseSlice
from bundle.evaluation.judge import Histograms, JudgedCase
from bundle.evaluation.judged_probabilities import FILE as PROBABILITIES
from bundle.evaluation.judged_probabilities import read_probabilities, write_probabilities
from bundle.evaluation.judged_run import read_scores
from bundle.evaluation.metrics import METRICS, is_weight
from bundle.evaluation.probability_histogram import Bin
from bundle.evaluation.reports.pictures import (
    draw_dice_per_set,
    draw_reliability,
    draw_weights,
    draw_worst_cases,
)
from bundle.evaluation.reports.tables import (
    latex_sets_table,
    markdown_overview,
    markdown_sets_table,
)
from bundle.evaluation.score_table import Score, ScoreTable
from bundle.evaluation.statistics.calibration_fit import CalibrationFit
from bundle.evaluation.statistics.gains import gains_of_one_more
from bundle.evaluation.statistics.summary import Summary, summarise
from bundle.evaluation.task_names import TaskNames
from bundle.files.atomic_file import appearing_at_once, write_csv
from bundle.files.figures import save_figure
from bundle.files.json_file import write_json
from bundle.tasks.default import DEFAULT_TASK
from bundle.tasks.task import Task
from bundle.weights.calibration import Calibration

N_WORST = 6
CALIBRATION = "calibration.json"
RELIABILITY_COLUMNS = ("set", "region", "low", "high", "n_voxels", "mean_probability", "frequency")
_PICTURES = {
    "dice_per_set.png": "Dice of each modality set, with 95 % intervals over cases.",
    "reliability.png": (
        "How often voxels of a probability belong to the region; from the largest set, {largest}."
    ),
    "gate_weights.png": "Mean weight of each modality in the brain; blank where it is absent.",
    "worst_cases.png": (
        "The cases with the lowest Dice (mean over regions, from all modalities of a case), where"
        " most voxels are wrong: truth solid, prediction dashed. For research, not for diagnosis."
    ),
}


class EvaluationReport:
    """Keeps the scores of judged cases and writes the report when all are done.

    What it writes does not depend on the order in which cases are added.

    | file | content |
    | --- | --- |
    | ``scores.csv`` | case, set, region, metric, value |
    | ``reliability.csv`` | per set and region, voxels of all cases by probability |
    | ``summary.json`` | means with intervals, counter-intuitive rate, correlations, versions |
    | ``calibration.json`` | temperatures and margins fitted to these cases |
    | ``probabilities.npz`` | what ``join`` needs besides |
    | ``report.md``, ``tables.tex`` | the same for people; per set a row with dots |
    | ``*.png`` | pictures |

    Args:
        output_dir: where the files go.
        empty: ``skip`` or ``one``, what regions count that the truth does not have.
        seed: of the bootstrap.
        facts: what else should stand in the summary, such as the checksum of the weights.
        task: of the judged cases.
    """

    def __init__(
        self,
        output_dir: Path | str,
        *,
        empty: str = "skip",
        seed: int = 0,
        facts: Mapping[str, Any] | None = None,
        task: Task = DEFAULT_TASK,
    ) -> None:
        self.output_dir = Path(output_dir)
        self.empty = empty
        self.seed = seed
        self.facts = dict(facts or {})
        self.task = task
        self._scores: list[Score] = []
        self._histograms: Histograms = {}
        self._worst: list[CaseSlice] = []
        self._fit = CalibrationFit(task)
        self.calibration: Calibration | None = None

    def add(self, judged: JudgedCase, facts: Mapping[str, Any] | None = None) -> None:
        """Add a case, in any order; of its voxels only counts are kept, and of the worst cases a
        slice.

        Args:
            judged: a case.
            facts: of what judged it, for the summary.
        """
        self.facts |= facts or {}
        self._scores += judged.scores
        self._add_histograms(judged.histograms)
        if judged.histograms:
            self._fit.add(judged.case, judged.histograms)
        worst = sorted([*self._worst, judged.worst], key=lambda worst: (worst.score, worst.case))
        self._worst = worst[:N_WORST]

    def join(self, folder: Path) -> None:
        """Add the cases of another report; of its pictures of cases none is kept.

        Args:
            folder: where it wrote its files.

        Raises:
            UsageError: E_SCORES, it is no report of an evaluation, a case comes twice, or
                probabilities are known of some cases only.
        """
        table = read_scores(folder, task=self.task)
        twice = sorted({score.case for score in self._scores} & set(table.cases))
        if twice:
            raise UsageError(
                "E_SCORES",
                f"{folder} must have cases of its own; got {twice[0]} twice. Name each evaluation"
                " once, of cases that the others did not judge.",
            )
        is_known = (folder / PROBABILITIES).is_file()
        if self._scores and is_known != bool(self._fit.cases):
            raise UsageError(
                "E_SCORES",
                f"{folder} must have {PROBABILITIES} if the other evaluations have it, and only"
                " then. Judge all cases with this version and calibration=none.",
            )
        self._scores += table.scores()
        if is_known:
            histograms, fit = read_probabilities(folder / PROBABILITIES, self.task)
            self._add_histograms(histograms)
            self._fit.join(fit)

    def write(self) -> Summary:
        """Write all files and return the summary.

        Raises:
            UsageError: no case was added.
            OutputError: a file cannot be written.
        """
        scores = sorted(self._scores, key=lambda score: score.case)
        table = ScoreTable(scores, TaskNames.of(self.task))
        summary = summarise(table, empty=self.empty, seed=self.seed)
        table.write(self.output_dir / "scores.csv")
        write_csv(
            self.output_dir / "reliability.csv", RELIABILITY_COLUMNS, self._reliability_rows(table)
        )
        facts = {**summary.to_json(), "versions": _versions(), **self.facts}
        write_json(self.output_dir / "summary.json", facts)
        self.calibration = self._calibrate(table)
        if self.calibration is None:  # those of another evaluation do not stay
            for name in (CALIBRATION, PROBABILITIES):
                (self.output_dir / name).unlink(missing_ok=True)
        else:
            self.calibration.write(self.output_dir / CALIBRATION)
            write_probabilities(self.output_dir / PROBABILITIES, self._histograms, self._fit)
        pictures = self._draw(summary)
        self._write_text("report.md", _markdown(summary, pictures))
        latex = [latex_sets_table(summary, metric) for metric in _tabled(summary)]
        self._write_text("tables.tex", "\n\n".join(latex) + "\n")
        return summary

    def _add_histograms(self, histograms: Histograms) -> None:
        for key, histogram in histograms.items():
            self._histograms[key] = (
                self._histograms[key] + histogram if key in self._histograms else histogram
            )

    def _calibrate(self, table: ScoreTable) -> Calibration | None:
        """Fit a calibration, unless there is nothing to fit or one was used already."""
        settings = self.facts.get("settings", {})
        if not self._fit.cases or settings.get("calibration") is not None:
            return None
        weights_sha256 = str(self.facts.get("weights_sha256", ""))
        return self._fit.fitted(weights_sha256, settings, gains_of_one_more(table, self.seed))

    def _draw(self, summary: Summary) -> list[str]:
        figures = {
            "dice_per_set.png": draw_dice_per_set(summary, self.task),
        }
        if self._worst:
            figures["worst_cases.png"] = draw_worst_cases(self._worst, self.task)
        if self._histograms:
            bins = self._reliability(summary.sets[-1])
            figures["reliability.png"] = draw_reliability(bins, self.task)
        if any(map(is_weight, summary.means)):
            figures["gate_weights.png"] = draw_weights(summary)
        for name, figure in figures.items():
            save_figure(figure, self.output_dir / name)
        return [name for name in _PICTURES if name in figures]

    def _reliability(self, modality_set: str) -> dict[str, list[Bin]]:
        return {
            region: histogram.reliability()
            for (name, region), histogram in self._histograms.items()
            if name == modality_set
        }

    def _reliability_rows(self, table: ScoreTable) -> list[dict[str, Any]]:
        rows = []
        for key in product(table.sets, table.regions):
            for bin_ in self._histograms[key].reliability() if key in self._histograms else ():
                values = (*key, *bin_)
                rows.append(dict(zip(RELIABILITY_COLUMNS, values, strict=True)))
        return rows

    def _write_text(self, name: str, text: str) -> None:
        with appearing_at_once(self.output_dir / name) as file:
            file.write(text.encode())


def _versions() -> dict[str, str]:
    return {"simmlm": __version__, "monai": monai.__version__, "torch": torch.__version__}


def _tabled(summary: Summary) -> dict[str, str]:
    """Return the metrics that have a table of every set, with its heading."""
    return {
        metric.name: metric.heading
        for metric in METRICS
        if metric.heading is not None and metric.name in summary.means
    }


def _markdown(summary: Summary, pictures: Sequence[str]) -> str:
    parts = [
        "# Evaluation",
        f"{summary.n_cases} cases. Made by `simmlm evaluate` {__version__}.",
        markdown_overview(summary),
    ]
    for metric, heading in _tabled(summary).items():
        parts.append(f"## {heading}\n\n{markdown_sets_table(summary, metric)}")
    for name in pictures:
        caption = _PICTURES[name].format(largest=summary.sets[-1])
        parts.append(f"![{name.removesuffix('.png')}]({name})\n\n*{caption}*")
    return "\n\n".join(part.strip() for part in parts) + "\n"
