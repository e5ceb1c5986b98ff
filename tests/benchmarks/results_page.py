"""Writes docs/results.md of judged runs: the paper's tables, its figures beside them, and what was
reproduced.
"""

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from statistics import mean, stdev

import numpy as np
from numpy.typing import NDArray

from bundle.evaluation.judged_run import read_scores, read_summary
from bundle.evaluation.metrics import CORRELATED, METRICS, UNKNOWN
from bundle.evaluation.reports.markup import markdown_table
from bundle.evaluation.score_table import ScoreTable
from bundle.evaluation.statistics.intervals import paired_difference
from bundle.evaluation.statistics.set_pairs import SMALLEST_LOSS, nested_pairs
from bundle.evaluation.statistics.summary import MEAN, Summary, mean_over_sets
from bundle.files.atomic_file import appearing_at_once

Runs = Mapping[str, Sequence[Path]]
REGIONS = ("ET", "TC", "WT")  # as the paper orders them
COUNTER = "counter-intuitive rate"
NO_CLAIM = "not in the paper"

TITLES = {
    "simmlm": "SimMLM (logit level, dynamic, lambda 0.1)",
    "without_mofe": "DMoME without the ranking loss (lambda 0)",
    "lambda_0.01": "SimMLM, lambda 0.01",
    "lambda_0.5": "SimMLM, lambda 0.5",
    "static_averaging": "static averaging",
    "probability_level": "probability-level mixing",
    "feature_level": "feature-level mixing",
    "without_pretraining": "without expert pretraining",
    "early_fusion": "early fusion with modality dropout",
    "momke": "MoMKE",
    "shaspec": "ShaSpec",
}

# ET TC WT, in %, mean of 15 sets: main table (official BraTS 2018 validation); supplement A2, A3
# (another split).
PAPER_MAIN = {
    "shaspec": (61.58, 77.45, 85.92),
    "momke": (65.56, 78.58, 86.69),
    "without_mofe": (66.05, 79.14, 86.71),
    "simmlm": (67.16, 80.20, 87.67),
}
PAPER_ABLATIONS = {
    "without_pretraining": (62.24, 77.42, 86.63),
    "static_averaging": (61.40, 77.49, 86.70),
    "feature_level": (62.76, 78.19, 87.27),
    "probability_level": (62.72, 78.31, 87.33),
    "simmlm": (63.22, 78.54, 87.21),
}
PAPER_ECE = {
    "momke": (3.46, 4.10, 4.04),
    "without_mofe": (3.34, 3.86, 3.98),
    "simmlm": (3.15, 3.75, 3.55),
}
PAPER_SCE = {
    "momke": (14.82, 11.35, 7.69),
    "without_mofe": (13.40, 11.01, 7.11),
    "simmlm": (13.21, 10.83, 5.65),
}
PAPER_COUNTER = {
    "momke": (14.60, 32.47, 9.86),
    "without_mofe": (10.47, 30.94, 3.87),
    "simmlm": (7.20, 28.19, 3.75),
}


@dataclass(frozen=True)
class Table:
    """One table of the page.

    Attributes:
        rows: variants.
        paper: figures of the paper for some of them.
        value: what a run's summary gives for a region, a share.
        digits: of the figures in percent.
    """

    title: str
    rows: tuple[str, ...]
    paper: Mapping[str, tuple[float, float, float]]
    value: Callable[[Summary, str], float]
    digits: int = 1


@dataclass(frozen=True)
class Claim:
    """The paper finds SimMLM better than ``other`` in ``metric``: higher in Dice, lower in
    errors.
    """

    metric: str
    other: str
    reason: str

    @property
    def better(self) -> int:
        return BETTER[self.metric]


def mean_of(metric: str) -> Callable[[Summary, str], float]:
    return lambda summary, region: summary.means[metric][MEAN][region].mean


def counter_intuitive(summary: Summary, region: str) -> float:
    return summary.counter_intuitive[region].rate


TABLES = (
    Table(
        "Main comparison: Dice",
        ("early_fusion", "shaspec", "momke", "without_mofe", "simmlm"),
        PAPER_MAIN,
        mean_of("dice"),
    ),
    Table(
        "Pretraining and gate (supplement, Table A2): Dice",
        ("without_pretraining", "static_averaging", "simmlm"),
        PAPER_ABLATIONS,
        mean_of("dice"),
    ),
    Table(
        "Level of mixing (supplement, Table A3): Dice",
        ("feature_level", "probability_level", "simmlm"),
        PAPER_ABLATIONS,
        mean_of("dice"),
    ),
    Table(
        "Weight of the ranking loss: Dice",
        ("without_mofe", "lambda_0.01", "simmlm", "lambda_0.5"),
        {},
        mean_of("dice"),
    ),
    Table(
        "Counter-intuitive rate: share of (case, set, larger set) in which the larger set has the"
        " lower Dice",
        ("early_fusion", "shaspec", "momke", "without_mofe", "lambda_0.01", "simmlm", "lambda_0.5"),
        PAPER_COUNTER,
        counter_intuitive,
    ),
    Table(
        "Expected calibration error",
        ("momke", "without_mofe", "simmlm"),
        PAPER_ECE,
        mean_of("ece"),
        2,
    ),
    Table(
        "Static calibration error",
        ("momke", "without_mofe", "simmlm"),
        PAPER_SCE,
        mean_of("sce"),
        2,
    ),
    Table(
        "Area under the ROC curve of the entropy for wrong voxels (50 is chance)",
        ("early_fusion", "shaspec", "momke", "without_mofe", "simmlm"),
        {},
        mean_of("entropy_auroc"),
    ),
)
CLAIMS = (
    Claim("dice", "without_pretraining", "A2: experts are trained alone first"),
    Claim("dice", "static_averaging", "A2: the gate weighs"),
    Claim("dice", "feature_level", "A3: logits, not features, are mixed"),
    Claim("dice", "probability_level", "A3: logits, not probabilities, are mixed"),
    Claim("dice", "without_mofe", "main table: the ranking loss helps"),
    Claim("dice", "momke", "main table"),
    Claim("dice", "shaspec", "main table"),
    Claim("ece", "without_mofe", "the ranking loss calibrates"),
    Claim("ece", "momke", "the mixture of logits calibrates"),
    Claim("sce", "without_mofe", "the ranking loss calibrates"),
    Claim("sce", "momke", "the mixture of logits calibrates"),
    Claim(COUNTER, "without_mofe", "the ranking loss makes more modalities help"),
    Claim(COUNTER, "momke", "more modalities help"),
    Claim("dice", "early_fusion", NO_CLAIM),
)
VERDICTS = {1: "reproduced", 0: "undecided", -1: "opposite"}
NOT_LEARNED = "not learned"
LEARNED_DICE = 0.01
NAMES = {"dice": "Dice", "ece": "ECE", "sce": "SCE"}
BETTER = {COUNTER: -1, **{metric.name: int(metric.better) for metric in METRICS}}
ALPHA = 0.05


def write_page(path: Path, runs: Runs, facts: Mapping[str, object]) -> None:
    """Write the page.

    Args:
        path: of the Markdown file.
        runs: variant to the evaluation folders of its seeds.
        facts: how the runs were made: ``command``, ``n_seeds``, ``drawn`` and the fields of
            ``tables.Size``.
    """
    summaries = {
        name: [read_summary(folder) for folder in folders] for name, folders in runs.items()
    }
    parts = ["# Results of SimMLM, its ablations and its peers", _protocol(facts, summaries)]
    if "simmlm" in runs:
        parts.append(_reproduction(runs))
    parts += [
        f"## {table.title}, %\n\n{_table(table, summaries)}"
        for table in TABLES
        if set(table.rows) & set(runs)
    ]
    if "simmlm" in runs:
        parts.append(_alignment(summaries["simmlm"]))
    with appearing_at_once(path) as file:
        file.write(("\n\n".join(parts) + "\n").encode())


def _protocol(facts: Mapping[str, object], summaries: Mapping[str, Sequence[Summary]]) -> str:
    n_cases = next(iter(summaries.values()))[0].n_cases
    experts, mixture = facts["epochs"]
    settings = ", ".join(f"`{key}` {value}" for key, value in facts["settings"].items())
    shape = " x ".join(map(str, facts["shape"]))
    drawn = (
        f"{facts['n_training']} drawn cases (phantoms, no patients) of {shape} voxels, a quarter of"
        " them validates"
    )
    network = (
        "shallow U-Nets (8, 16, 32, 64 features)" if facts["network"] else "the paper's U-Nets"
    )
    training = f"{experts} epochs of stage 1 and {mixture} of stage 2, one crop per case and epoch"
    means = (
        "mean over cases and 15 modality sets by `simmlm evaluate`, regions that the truth does not"
        " have left out"
    )
    rows = [
        [
            "data",
            (
                f"{drawn if facts['drawn'] else 'the training part of a split'}; judged on"
                f" {n_cases} others"
            ),
        ],
        ["network", f"{network}, the same in all rows"],
        ["training", f"{training}; what has no stage 1 gets the sum"],
        ["settings", f"{settings}; all else as in `configs/train.yaml`"],
        [
            "seeds",
            (
                f"{facts['n_seeds']}; a seed decides initial weights, crops, modality sets and who"
                " validates"
            ),
        ],
        ["figures", f"{means}; then mean ± standard deviation over seeds"],
    ]
    return f"""Made by `{facts["command"]}`, which goes on where it was stopped.

{markdown_table(["", ""], rows, ["---", "---"])}

All variants get the same cases, crops, modality sets, optimizer and number of steps. MoMKE, ShaSpec and early fusion
were written from their papers ([bundle/peers](../bundle/peers/README.md)). What begins stage 2 with a head of random
weights, feature-level mixing and MoMKE, has the most to learn there, and suffers most where it is short.

**The paper's figures stand beside ours for orientation only**; those of its main part come from third-party notes on
its text. They are of BraTS 2018 (the main comparison by its official validation, the ablations on another split), with
windows of 128 voxels and hundreds of epochs. Only which variant is ahead of which can be compared, not the numbers."""


def _table(table: Table, summaries: Mapping[str, Sequence[Summary]]) -> str:
    head = ["", *REGIONS, *(f"{region}, paper" for region in REGIONS if table.paper)]
    rows = []
    for name in table.rows:
        if name in summaries:
            ours = [
                _spread([table.value(summary, region) for summary in summaries[name]], table.digits)
                for region in REGIONS
            ]
            paper = [f"{value:.2f}" for value in table.paper.get(name, ())] or [UNKNOWN] * (
                3 if table.paper else 0
            )
            rows.append([TITLES[name], *ours, *paper])
    return markdown_table(head, rows, ["---", *["---:"] * (len(head) - 1)])


def _reproduction(runs: Runs) -> str:
    """Say for every claim of the paper whether these runs bear it out."""
    verdicts: Counter[str] = Counter()
    rows = []
    for claim in CLAIMS:
        if claim.other in runs:
            judged = [_judge(claim, region, runs) for region in REGIONS]
            verdicts.update(verdict for verdict, _ in judged if claim.reason != NO_CLAIM)
            name = NAMES.get(claim.metric, claim.metric)
            texts = [text for _, text in judged]
            if claim.reason == NO_CLAIM:
                texts = [
                    text.replace(VERDICTS[1], "better").replace(VERDICTS[-1], "worse")
                    for text in texts
                ]
            rows.append([name, TITLES[claim.other], claim.reason, *texts])
    counted = ", ".join(f"{verdicts[word]} {word}" for word in (*VERDICTS.values(), NOT_LEARNED))
    return f"""## What was and was not reproduced

**Of {verdicts.total()} claims, one per row and region: {counted}.**

A cell has the difference, SimMLM less the other, in points (Dice: higher is better; calibration errors and
counter-intuitive rate: lower is better), with its 95 % interval over cases, scores averaged over seeds first; p of a
paired permutation test, not corrected for the number of tests; and in how many seeds SimMLM is better. *Reproduced* and
*opposite* want an interval without 0, p below {ALPHA} and all seeds on one side; else these runs do not decide.
*Not learned*: in at least one seed the other one has a Dice below {LEARNED_DICE:.0%} in the region, so that the budget
would be judged and not the method.

{markdown_table(["metric", "SimMLM better than", "claim", *REGIONS], rows, ["---"] * 6)}"""


def _judge(claim: Claim, region: str, runs: Runs) -> tuple[str, str]:
    """Return one of ``VERDICTS``, and it with difference, p and seeds as text."""
    ours = _stacked(runs["simmlm"], claim.metric, region)
    others = _stacked(runs[claim.other], claim.metric, region)
    if any(
        np.nanmean(case_values(_table_of(folder), "dice", region)) < LEARNED_DICE
        for folder in runs[claim.other]
    ):
        return NOT_LEARNED, NOT_LEARNED
    found = paired_difference(ours.mean(axis=0), others.mean(axis=0), seed=0)
    if not math.isfinite(found.p):
        return VERDICTS[0], UNKNOWN
    sign = 1 if found.low > 0 else -1 if found.high < 0 else 0
    wins = int((np.nanmean(ours - others, axis=1) * claim.better > 0).sum())
    decided = found.p < ALPHA and wins in (0, len(ours))
    verdict = VERDICTS[sign * claim.better if decided else 0]
    middle, low, high = (f"{100 * value:+.1f}" for value in (found.mean, found.low, found.high))
    p = f"p {found.p:.3f}" if found.p >= 0.001 else "p < 0.001"
    return verdict, f"{middle} ({low} to {high}), {p}, {wins} of {len(ours)}: {verdict}"


def _stacked(folders: Sequence[Path], metric: str, region: str) -> NDArray[np.float64]:
    """Return the values of the cases in every seed: (seeds, C)."""
    return np.stack([case_values(_table_of(folder), metric, region) for folder in folders])


@cache
def _table_of(folder: Path) -> ScoreTable:
    return read_scores(folder)


def case_values(table: ScoreTable, metric: str, region: str) -> NDArray[np.float64]:
    """Return a metric's mean over the sets of each case, or its counter-intuitive rate: (C,), NaN
    without the region.
    """
    place = table.regions.index(region)
    if metric != COUNTER:
        return mean_over_sets(table.values(metric))[:, place]
    dice = table.values("dice")[..., place]
    pairs = np.array(nested_pairs(table.sets))
    losses = dice[:, pairs[:, 0]] - dice[:, pairs[:, 1]]
    return np.where(np.isfinite(losses).all(axis=1), (losses > SMALLEST_LOSS).mean(axis=1), np.nan)


def _alignment(summaries: Sequence[Summary]) -> str:
    """Table the correlation of gate weights with what the modality can do alone (supplement,
    discussion).
    """
    head = [
        "modality",
        *(f"{region}, {what}" for region in REGIONS for what in ("Dice", "confidence")),
    ]
    rows = []
    for modality, found in summaries[0].weights_and_performance.items():
        keys = [(region, metric.name) for region in found for metric in CORRELATED]
        ordered = [key for wanted in REGIONS for key in keys if key[0] == wanted]
        rows.append([modality, *(_range(summaries, modality, *key) for key in ordered)])
    return f"""## Do the gate's weights follow the experts?

Pearson correlation over cases of a modality's mean weight in the full set with its expert's own Dice, and with its
mean probability on the region's voxels: mean over seeds (lowest to highest). The paper reports 0.29 (image) and 0.41
(text) on Food-101, for the confidence.

{markdown_table(head, rows, ["---", *["---:"] * (len(head) - 1)])}"""


def _range(summaries: Sequence[Summary], modality: str, region: str, what: str) -> str:
    found = [summary.weights_and_performance[modality][region][what].r for summary in summaries]
    known = [value for value in found if math.isfinite(value)]
    return f"{mean(known):.2f} ({min(known):.2f} to {max(known):.2f})" if known else UNKNOWN


def _spread(values: Sequence[float], digits: int) -> str:
    known = [100 * value for value in values if math.isfinite(value)]
    if not known:
        return UNKNOWN
    spread = f" ± {stdev(known):.{digits}f}" if len(known) > 1 else ""
    return f"{mean(known):.{digits}f}{spread}"
