"""Gathers judged cases and writes what people read: tables, numbers for other programs,
pictures.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import monai
import torch
from ignite.engine import Engine, Events

from bundle import __version__
from bundle.evaluation.case_slices import CaseSlice
from bundle.evaluation.judge import Histograms, JudgedCase
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
from bundle.evaluation.statistics.summary import summarise
from bundle.files.atomic_file import appearing_at_once, write_csv
from bundle.files.figures import save_figure
from bundle.files.json_file import write_json

N_WORST = 6
RELIABILITY_COLUMNS = ("set", "region", "low", "high", "n_voxels", "mean_probability", "frequency")
TABLES = {
    "dice": "Dice",
    "hd95_mm": "95th percentile of the surface distance",
    "ece": "Expected calibration error",
}

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
    """Keeps the scores of judged cases and writes the report when all are done; also an ignite
    handler.

    | file | content |
    | --- | --- |
    | ``scores.csv`` | case, set, region, metric, value |
    | ``reliability.csv`` | per set and region, voxels of all cases by probability |
    | ``summary.json`` | means with intervals, counter-intuitive rate, correlations, versions |
    | ``report.md``, ``tables.tex`` | the same for people; 15 rows with filled and hollow dots |
    | ``*.png`` | pictures |

    Args:
        output_dir: where the files go.
        empty: ``skip`` or ``one``, what regions count that the truth does not have.
        seed: of the bootstrap.
        facts: what else should stand in the summary, such as the checksum of the weights.
    """

    def __init__(
        self,
        output_dir: Path | str,
        *,
        empty: str = "skip",
        seed: int = 0,
        facts: Mapping[str, Any] | None = None,
    ) -> None:
        self.output_dir = Path(output_dir)
        self.empty = empty
        self.seed = seed
        self.facts = dict(facts or {})
        self._scores: list[Score] = []
        self._histograms: Histograms = {}
        self._worst: list[CaseSlice] = []

    def attach(self, engine: Engine) -> None:
        """Take the judged case of every iteration of an evaluator."""
        engine.add_event_handler(
            Events.ITERATION_COMPLETED, lambda engine: self.add(engine.state.output[0]["judged"])
        )

    def add(self, judged: JudgedCase) -> None:
        """Add a case; of its voxels only counts are kept, and of the worst cases a slice."""
        self._scores += judged.scores
        for key, histogram in judged.histograms.items():
            self._histograms[key] = (
                self._histograms[key] + histogram if key in self._histograms else histogram
            )
        self._worst = sorted([*self._worst, judged.worst], key=lambda worst: worst.score)[:N_WORST]

    def write(self) -> dict[str, Any]:
        """Write all files and give the summary.

        Raises:
            UsageError: no case was added.
            OutputError: a file cannot be written.
        """
        table = ScoreTable(self._scores)
        summary = summarise(table, empty=self.empty, seed=self.seed)
        summary |= {
            "versions": {
                "simmlm": __version__,
                "monai": monai.__version__,
                "torch": torch.__version__,
            }
        }
        summary |= self.facts
        table.write(self.output_dir / "scores.csv")
        write_csv(
            self.output_dir / "reliability.csv", RELIABILITY_COLUMNS, self._reliability_rows()
        )
        write_json(self.output_dir / "summary.json", summary)
        pictures = self._draw(summary)
        self._write_text("report.md", _markdown(summary, pictures))
        latex = [
            latex_sets_table(summary, metric) for metric in TABLES if metric in summary["means"]
        ]
        self._write_text("tables.tex", "\n\n".join(latex) + "\n")
        return summary

    def _draw(self, summary: Mapping[str, Any]) -> list[str]:
        figures = {
            "dice_per_set.png": draw_dice_per_set(summary),
            "worst_cases.png": draw_worst_cases(self._worst),
        }
        if self._histograms:
            figures["reliability.png"] = draw_reliability(self._reliability(summary["sets"][-1]))
        if any(metric.startswith("weight_") for metric in summary["means"]):
            figures["gate_weights.png"] = draw_weights(summary)
        for name, figure in figures.items():
            save_figure(figure, self.output_dir / name)
        return [name for name in _PICTURES if name in figures]

    def _reliability(
        self, modality_set: str
    ) -> dict[str, Sequence[tuple[float, float, int, float, float]]]:
        return {
            region: h.reliability()
            for (name, region), h in self._histograms.items()
            if name == modality_set
        }

    def _reliability_rows(self) -> list[dict[str, Any]]:
        return [
            dict(zip(RELIABILITY_COLUMNS, (modality_set, region, *row), strict=True))
            for (modality_set, region), histogram in self._histograms.items()
            for row in histogram.reliability()
        ]

    def _write_text(self, name: str, text: str) -> None:
        with appearing_at_once(self.output_dir / name) as file:
            file.write(text.encode())


def _markdown(summary: Mapping[str, Any], pictures: Sequence[str]) -> str:
    parts = [
        "# Evaluation",
        f"{summary['n_cases']} cases. Made by `simmlm evaluate` {__version__}.",
    ]
    parts.append(markdown_overview(summary))
    parts += [
        f"## {title}\n\n{markdown_sets_table(summary, metric)}"
        for metric, title in TABLES.items()
        if metric in summary["means"]
    ]
    captions = {name: _PICTURES[name].format(largest=summary["sets"][-1]) for name in pictures}
    parts += [
        f"![{name.removesuffix('.png')}]({name})\n\n*{caption}*"
        for name, caption in captions.items()
    ]
    return "\n\n".join(part.strip() for part in parts) + "\n"
