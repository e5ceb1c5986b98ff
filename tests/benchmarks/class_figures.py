"""Figures of the page about a task of classes."""

from collections.abc import Sequence
from statistics import mean
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from bundle.classification.judging.class_comparison import spread
from tests.benchmarks.class_judged import Judged, accuracy_of
from tests.benchmarks.class_rows import Row


def draw_lambda(judged: Judged) -> Figure:
    """Draw accuracy over the weight of the ranking loss, as Fig. A3."""
    rows = judged.lambda_rows()
    figure = Figure(figsize=(6, 4), dpi=120, layout="constrained")
    axes = figure.add_subplot()
    draw_line(judged, axes, [f"{weight:g}" for weight in rows], list(rows.values()), "SimMLM")
    axes.set(xlabel="lambda", ylabel="accuracy of both modalities, %")
    return figure


def draw_coverage(judged: Judged) -> Figure:
    """Draw accuracy over the share of training cases that have a modality, as Fig. A2."""
    study = judged.study
    figure = Figure(figsize=(6, 4), dpi=120, layout="constrained")
    axes = figure.add_subplot()
    places = [f"{100 * share:g}" for share in study.coverages]
    for place, row in enumerate(study.covered):
        rows = [study.covered_rows(share)[place] for share in study.coverages]
        draw_line(judged, axes, places, rows, row.title)
    axes.set(xlabel=f"training cases with the {study.modalities[study.coverage_of]}, %")
    axes.set(ylabel="accuracy of both modalities, %")
    axes.legend(frameon=False)
    return figure


def draw_line(
    judged: Judged, axes: Any, places: Sequence[str], rows: Sequence[Row], label: str
) -> None:
    """Draw means with standard deviations over seeds."""
    values = [judged.over_seeds(row, accuracy_of(judged.study.both)) for row in rows]
    means = [100 * mean(one) for one in values]
    deviations = [100 * float(np.nan_to_num(spread(one))) for one in values]
    axes.errorbar(places, means, yerr=deviations, marker="o", capsize=3, label=label)
