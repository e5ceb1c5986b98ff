"""Asks what keeps the More-vs-Fewer ranking loss from making more modalities help, and what does.

    make ranking                                        # writes docs/results_ranking.md
    python -m tests.benchmarks.ranking --size tiny --seeds 1 --page page.md

Stage 1 is trained once per seed and shared by all rows. Goes on where it was stopped, as the tables
do, whose cases, networks and budget these are.
"""

import argparse
import csv
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bundle.evaluation.judged_run import read_scores
from bundle.evaluation.reports.markup import markdown_table
from bundle.evaluation.score_table import ScoreTable
from bundle.evaluation.statistics.intervals import bootstrap_mean, paired_difference
from bundle.evaluation.statistics.set_pairs import SMALLEST_LOSS, nested_pairs
from bundle.evaluation.statistics.summary import mean_over_sets
from bundle.files.atomic_file import appearing_at_once
from tests.benchmarks.tables import (
    ROOT,
    SIZES,
    Study,
    Variant,
    prepare,
    train_and_judge,
    train_experts,
)

RECIPE = "simmlm"
SUMS = ROOT / "configs" / "avmnist" / "variants"  # these two are for any mixture
VARIANTS = {
    "without_mofe": Variant(("without_mofe",)),
    RECIPE: Variant(),
    "lambda_10": Variant(settings={"mofe_weight": 10.0}),
    "per_region_10": Variant(("per_region_hinge",), {"mofe_weight": 10.0}),
    "stop_fewer_10": Variant(("stop_fewer_gradient",), {"mofe_weight": 10.0}),
    "confidence_10": Variant(("confidence_hinge",), {"mofe_weight": 10.0}),
    "expert_losses": Variant(("expert_losses",)),
    "self_distillation": Variant(("self_distillation",)),
    "static_averaging": Variant(("static_averaging",)),
    "summed": Variant((str(SUMS / "sum_of_logits.yaml"),)),
    "gated_sum": Variant((str(SUMS / "gated_sum.yaml"),)),
    "held_out_gate": Variant(("held_out_gate",), {"mofe_weight": 0.0}),
    "held_out_gate_10": Variant(("held_out_gate",), {"mofe_weight": 10.0}),
}
TITLES = {
    "without_mofe": "no ranking loss (lambda 0)",
    RECIPE: "the paper's recipe (lambda 0.1)",
    "lambda_10": "lambda 10",
    "per_region_10": "lambda 10, hinge per region",
    "stop_fewer_10": "lambda 10, no gradient into the smaller set",
    "confidence_10": "lambda 10, confidence in place of the loss",
    "expert_losses": "lambda 0.1 and the experts' own losses",
    "self_distillation": "lambda 0.1 and self-distillation",
    "static_averaging": "mean of logits, no gate",
    "summed": "sum of logits, no gate",
    "gated_sum": "gated sum of logits",
    "held_out_gate": "gate alone, on held-out cases, lambda 0",
    "held_out_gate_10": "gate alone, on held-out cases, lambda 10",
}
POINT = 0.01


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", choices=SIZES, default="cpu")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--work", type=Path, default=ROOT / ".work" / "tables")
    parser.add_argument("--only", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    parser.add_argument("--device", default="auto")
    parser.add_argument("--page", type=Path, default=ROOT / "docs" / "results_ranking.md")
    parser.set_defaults(data=None, split=None)
    arguments = parser.parse_args()
    study = prepare(arguments)
    seeds = range(arguments.seeds)
    with ThreadPoolExecutor(arguments.jobs) as pool:
        list(pool.map(lambda seed: train_experts(study, seed), seeds))
        jobs = [(name, seed) for seed in seeds for name in arguments.only]
        list(pool.map(lambda job: train_and_judge(study, VARIANTS[job[0]], *job), jobs))
    runs = {name: [study.folder(name, seed) for seed in seeds] for name in arguments.only}
    write_page(arguments.page, runs, study)


def write_page(path: Path, runs: Mapping[str, Sequence[Path]], study: Study) -> None:
    """Write the page.

    Args:
        path: of the Markdown file.
        runs: variant to the folders of its seeds; with the paper's recipe, to which others are
            compared.
        study: how the runs were made.
    """
    values = {name: case_values(folders) for name, folders in runs.items()}
    n_cases = len(values[RECIPE]["dice"])
    size = study.size
    shape = " x ".join(map(str, size.shape))
    n_seeds = len(runs[RECIPE])
    text = f"""# What makes more modalities help?

Made by `make ranking`, which goes on where it was stopped: {size.n_training} drawn cases (phantoms, no patients) of {shape} voxels, a quarter of them validates,
judged on {n_cases} others; {n_seeds} seeds; {size.epochs[0]} epochs of stage 1, which all rows of a seed share, and {size.epochs[1]} of stage 2. Means over three regions, 15 modality sets or
50 pairs of them, and seeds, in %; 95 % intervals over cases.

*Counter-intuitive* pairs are those of two modality sets, one within the other, of which the larger has the lower Dice; *by a point*, a Dice that is lower by more than
0.01; *in confidence*, a lower mean probability on the voxels of the region.

{_rates(values)}

## What is left of the hinge

Means over the last five epochs of stage 2, over seeds, on the training cases: the loss of the smaller set, of the larger, and the hinge before its weight, as shares of the two losses; and
how often the larger set is worse on the test cases.

{_hinges(runs, values)}
"""
    with appearing_at_once(path) as file:
        file.write(text.encode())


def case_values(folders: Sequence[Path]) -> dict[str, NDArray[np.float64]]:
    """Return, per case, means over regions and seeds of what the page compares: (C,) each."""
    tables = [read_scores(folder / "judged") for folder in folders]
    found = {
        "dice": [_over_regions(mean_over_sets(table.values("dice"))) for table in tables],
        "ece": [_over_regions(mean_over_sets(table.values("ece"))) for table in tables],
        "counter": [counter_intuitive(table, "dice", SMALLEST_LOSS) for table in tables],
        "by_a_point": [counter_intuitive(table, "dice", POINT) for table in tables],
        "confidence": [counter_intuitive(table, "confidence", SMALLEST_LOSS) for table in tables],
    }
    return {name: np.nanmean(np.stack(of_seeds), axis=0) for name, of_seeds in found.items()}


def counter_intuitive(table: ScoreTable, metric: str, smallest_loss: float) -> NDArray[np.float64]:
    """Return, per case, the mean over its regions of the share of pairs of which the larger set is
    worse by more than a loss: (C,).
    """
    values = table.values(metric)
    pairs = np.array(nested_pairs(table.sets))
    losses = values[:, pairs[:, 0]] - values[:, pairs[:, 1]]
    rates = np.where(np.isfinite(losses).all(axis=1), (losses > smallest_loss).mean(axis=1), np.nan)
    return _over_regions(rates)


def _over_regions(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.nanmean(values, axis=-1))


def _rates(values: Mapping[str, Mapping[str, NDArray[np.float64]]]) -> str:
    head = ["", "Dice", "ECE", "counter-intuitive", "by a point", "in confidence"]
    head += ["Dice, less the recipe", "counter-intuitive, less the recipe"]
    rows = []
    for name, of_cases in values.items():
        cells = []
        for key in ("dice", "ece", "counter", "by_a_point", "confidence"):
            found = bootstrap_mean(of_cases[key], seed=0)
            cells.append(
                f"{100 * found.mean:.1f} ({100 * found.low:.1f}–{100 * found.high:.1f})"
                if key == "counter"
                else f"{100 * found.mean:.1f}"
            )
        for key in ("dice", "counter"):
            less = paired_difference(of_cases[key], values[RECIPE][key], seed=0)
            middle, low, high = (f"{100 * x:+.1f}" for x in (less.mean, less.low, less.high))
            cells.append("–" if name == RECIPE else f"{middle} ({low} to {high})")
        rows.append([TITLES[name], *cells])
    return markdown_table(head, rows, ["---", *["---:"] * (len(head) - 1)])


def _hinges(
    runs: Mapping[str, Sequence[Path]], values: Mapping[str, Mapping[str, NDArray[np.float64]]]
) -> str:
    head = ["", "loss of the smaller", "loss of the larger", "hinge", "worse on test cases"]
    rows = []
    for name, folders in runs.items():
        fewer, more, hinge = np.mean([_last_epochs(folder) for folder in folders], axis=0)
        rows.append(
            [
                TITLES[name],
                f"{fewer:.3f}",
                f"{more:.3f}",
                f"{100 * hinge / (fewer + more):.2f} %",
                f"{100 * np.nanmean(values[name]['counter']):.1f} %",
            ]
        )
    return markdown_table(head, rows, ["---", *["---:"] * (len(head) - 1)])


def _last_epochs(folder: Path) -> list[float]:
    with (folder / "mixture.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))[-5:]
    return [float(np.mean([float(row[key]) for row in rows])) for key in ("fewer", "more", "hinge")]


if __name__ == "__main__":
    main()
