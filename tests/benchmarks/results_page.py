"""Writes docs/results.md of judged runs: the paper's tables, its figures beside them, and what was reproduced."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev

import numpy as np
from numpy.typing import NDArray

from bundle.atomic_file import appearing_at_once
from bundle.evaluation.comparison import compare
from bundle.evaluation.score_table import Score, ScoreTable

Runs = Mapping[str, Sequence[Path]]
REGIONS = ("ET", "TC", "WT")  # as the paper orders them

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

# Dice, ET TC WT, in %, mean of 15 sets: main table (official BraTS 2018 validation); supplement A2, A3 (another split).
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
PAPER_ECE = {"momke": (3.46, 4.10, 4.04), "without_mofe": (3.34, 3.86, 3.98), "simmlm": (3.15, 3.75, 3.55)}
PAPER_SCE = {"momke": (14.82, 11.35, 7.69), "without_mofe": (13.40, 11.01, 7.11), "simmlm": (13.21, 10.83, 5.65)}
PAPER_COUNTER = {"momke": (14.60, 32.47, 9.86), "without_mofe": (10.47, 30.94, 3.87), "simmlm": (7.20, 28.19, 3.75)}


@dataclass(frozen=True)
class Table:
    """One table of the page.

    Attributes:
        rows: variants.
        paper: figures of the paper for some of them.
        value: what a run's summary gives for a region, in %.
    """

    title: str
    rows: tuple[str, ...]
    paper: Mapping[str, tuple[float, float, float]]
    value: Callable[[dict, str], float | None]


def dice(summary: dict, region: str) -> float | None:
    return _percent(summary["means"]["dice"]["mean"][region]["mean"])


def ece(summary: dict, region: str) -> float | None:
    return _percent(summary["means"]["ece"]["mean"][region]["mean"])


def sce(summary: dict, region: str) -> float | None:
    return _percent(summary["means"]["sce"]["mean"][region]["mean"])


def counter_intuitive(summary: dict, region: str) -> float | None:
    return _percent(summary["counter_intuitive"][region]["rate"])


TABLES = (
    Table(
        "Main comparison: mean Dice over the 15 modality sets, %",
        ("early_fusion", "shaspec", "momke", "without_mofe", "simmlm"),
        PAPER_MAIN,
        dice,
    ),
    Table(
        "Pretraining and gate (supplement, Table A2): mean Dice over the 15 sets, %",
        ("without_pretraining", "static_averaging", "simmlm"),
        PAPER_ABLATIONS,
        dice,
    ),
    Table(
        "Level of mixing (supplement, Table A3): mean Dice over the 15 sets, %",
        ("feature_level", "probability_level", "simmlm"),
        PAPER_ABLATIONS,
        dice,
    ),
    Table(
        "Weight of the ranking loss (supplement, Figure A3): mean Dice over the 15 sets, %",
        ("without_mofe", "lambda_0.01", "simmlm", "lambda_0.5"),
        {},
        dice,
    ),
    Table(
        "Counter-intuitive rate: share of (case, subset, superset) in which the superset has the lower Dice, %",
        ("early_fusion", "momke", "without_mofe", "lambda_0.01", "simmlm", "lambda_0.5"),
        PAPER_COUNTER,
        counter_intuitive,
    ),
    Table("Expected calibration error, mean of 15 sets, %", ("momke", "without_mofe", "simmlm"), PAPER_ECE, ece),
    Table("Static calibration error, mean of 15 sets, %", ("momke", "without_mofe", "simmlm"), PAPER_SCE, sce),
)
CLAIMS = ("without_mofe", "static_averaging", "without_pretraining", "probability_level", "feature_level", "momke")
CLAIMS += ("shaspec", "early_fusion")


def write_page(path: Path, runs: Runs, facts: Mapping[str, object]) -> None:
    """Write the page.

    Args:
        path: of the Markdown file.
        runs: variant to the evaluation folders of its seeds.
        facts: how the runs were made: ``command``, ``n_seeds``, ``drawn`` and the fields of ``tables.Size``.
    """
    summaries = {name: [_read(folder) for folder in folders] for name, folders in runs.items()}
    parts = ["# Results", _protocol(facts, summaries)]
    parts += [f"## {table.title}\n\n{_table(table, summaries)}" for table in TABLES if set(table.rows) & set(runs)]
    if "simmlm" in runs:
        parts.append(_claims(runs))
        parts.append(_alignment(summaries["simmlm"]))
    with appearing_at_once(path) as file:
        file.write(("\n\n".join(parts) + "\n").encode())


def _protocol(facts: Mapping[str, object], summaries: Mapping[str, list[dict]]) -> str:
    n_cases = next(iter(summaries.values()))[0]["n_cases"]
    experts, mixture = facts["epochs"]
    settings = ", ".join(f"`{key}` {value}" for key, value in facts["settings"].items())
    drawn = (
        f"{facts['n_training']} drawn exams (phantoms, no patients) of {' x '.join(map(str, facts['shape']))} voxels"
    )
    data = f"{drawn}, a quarter of them for validation" if facts["drawn"] else "the training part of a split"
    network = "shallow U-Nets (8, 16, 32, 64 features)" if facts["network"] else "the paper's U-Nets"
    return f"""Made by `{facts["command"]}`, which goes on where it was stopped. Small versions of SimMLM, its
ablations and its peers, all with the same cases, crops, seeds and number of steps: {data}; {network}, {experts} epochs
of stage 1 and {mixture} of stage 2 (one crop per case and epoch; what has no stage 1 gets the sum), {settings}. Judged
on {n_cases} cases that took no part, by `simmlm evaluate`; regions that the truth does not have are left out. Each
figure is the mean over cases and the 15 modality sets, then mean ± standard deviation over {facts["n_seeds"]} seeds.
MoMKE and ShaSpec were written from their papers (`bundle/networks/peers`).

**The paper's figures stand beside ours for orientation only.** They are of BraTS 2018 (the main table of its official
validation, the ablations of another split), with larger networks, windows of 128 voxels and hundreds of epochs, and
cannot be compared with ours as numbers; what can be compared is which variant is ahead of which."""


def _table(table: Table, summaries: Mapping[str, list[dict]]) -> str:
    head = [*REGIONS, *(f"{region}, paper" for region in REGIONS if table.paper)]
    lines = [f"| | {' | '.join(head)} |", f"| --- |{' ---: |' * len(head)}"]
    for name in table.rows:
        if name in summaries:
            ours = [_spread([table.value(summary, region) for summary in summaries[name]]) for region in REGIONS]
            paper = [f"{value:.2f}" for value in table.paper.get(name, ())] or ["–"] * (3 if table.paper else 0)
            lines.append(f"| {TITLES[name]} | {' | '.join([*ours, *paper])} |")
    return "\n".join(lines)


def _claims(runs: Runs) -> str:
    """Say for every claim of the paper whether these runs bear it out."""
    lines = [
        "## What was reproduced",
        "",
        "The paper finds SimMLM ahead of each of these in mean Dice. Here: difference of SimMLM to it in points of "
        "Dice, with 95 % interval over cases (scores averaged over seeds first), p of a paired permutation test, and "
        "in how many seeds it is positive. *Yes* and *opposite* mean that the interval leaves out 0; else the runs do "
        "not decide.",
        "",
        "| SimMLM against | region | difference | p | seeds | reproduced |",
        "| --- | --- | ---: | ---: | ---: | --- |",
    ]
    for name in CLAIMS:
        if name in runs:
            lines += _claim_rows(name, runs)
    return "\n".join(lines)


def _claim_rows(name: str, runs: Runs) -> list[str]:
    ours, others = ([ScoreTable.read(folder / "scores.csv") for folder in runs[key]] for key in ("simmlm", name))
    result = compare({"other": average(others), "simmlm": average(ours)})
    rows = []
    for region in REGIONS:
        found = result["mean"][region]["simmlm"]["difference"]
        wins = sum(_mean(a, region) > _mean(b, region) for a, b in zip(ours, others, strict=True))
        low, high = (100 * found[key] for key in ("low", "high"))
        verdict = "yes" if low > 0 else "opposite" if high < 0 else "undecided"
        difference = f"{100 * found['mean']:+.1f} ({low:+.1f} to {high:+.1f})"
        rows.append(f"| {TITLES[name]} | {region} | {difference} | {found['p']:.3f} | {wins}/{len(ours)} | {verdict} |")
    return rows


def average(tables: Sequence[ScoreTable]) -> ScoreTable:
    """Average the Dice of several seeds, case by case and set by set."""
    first = tables[0]
    values = np.mean([_both(table) for table in tables], axis=0)
    return ScoreTable(
        [
            Score(case, chosen, region, metric, float(values[m, c, s, r]))
            for m, metric in enumerate(("dice", "truth_ml"))
            for c, case in enumerate(first.cases)
            for s, chosen in enumerate(first.sets)
            for r, region in enumerate(first.regions)
        ]
    )


def _both(table: ScoreTable) -> NDArray[np.float64]:
    return np.stack([table.values(metric, empty="one") for metric in ("dice", "truth_ml")])


def _mean(table: ScoreTable, region: str) -> float:
    return float(np.nanmean(table.values("dice", empty="skip")[..., table.regions.index(region)]))


def _alignment(summaries: Sequence[dict]) -> str:
    """Table the correlation of gate weights with what the modality can do alone (supplement, discussion)."""
    lines = [
        "## Do the gate's weights follow the experts?",
        "",
        "Pearson correlation over cases of a modality's mean weight in the full set with its expert's own Dice, and "
        "with its mean probability on the region's voxels; mean over seeds (lowest to highest). The paper reports 0.29 "
        "(image) and 0.41 (text) on Food-101, for the confidence.",
        "",
        "| modality | "
        + " | ".join(f"{region}, {what}" for region in REGIONS for what in ("Dice", "confidence"))
        + " |",
        "| --- |" + " ---: |" * 6,
    ]
    for modality in summaries[0]["weights_and_performance"]:
        cells = []
        for region in REGIONS:
            for what in ("dice", "confidence"):
                found = [one["weights_and_performance"][modality][region][what]["r"] for one in summaries]
                values = [value for value in found if value is not None]
                cells.append(f"{mean(values):.2f} ({min(values):.2f} to {max(values):.2f})" if values else "–")
        lines.append(f"| {modality} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _spread(values: Sequence[float | None]) -> str:
    known = [value for value in values if value is not None]
    if not known:
        return "–"
    return f"{mean(known):.1f} ± {stdev(known):.1f}" if len(known) > 1 else f"{known[0]:.1f}"


def _percent(value: float | None) -> float | None:
    return None if value is None else 100 * value


def _read(folder: Path) -> dict:
    return json.loads((folder / "summary.json").read_text(encoding="utf-8"))
