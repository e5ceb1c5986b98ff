"""Writes a page about a task of classes: tables, what was and was not reproduced, figures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, median

import numpy as np

from bundle.classification.judging.class_comparison import (
    accuracy_difference,
    mcnemars,
    mean_correlation,
)
from bundle.classification.judging.class_metrics import (
    CONFIDENCE_FALLS,
    RIGHT_TO_WRONG,
)
from bundle.evaluation.reports.markup import markdown_table
from bundle.files.atomic_file import appearing_at_once, make_folder
from bundle.files.figures import save_figure
from tests.benchmarks.class_figures import draw_coverage, draw_lambda
from tests.benchmarks.class_judged import Judged, accuracy_of, error_of, rate_of, shown
from tests.benchmarks.class_rows import (
    FEATURE,
    FROM_SCRATCH,
    MOMKE,
    PROBABILITY,
    SHASPEC,
    SIMMLM,
    STATIC,
    WITHOUT_MOFE,
    Row,
    Study,
)

LEVEL = 0.05


def write_page(
    path: Path, study: Study, work: Path, seeds: Sequence[int], facts: Mapping[str, object]
) -> None:
    """Write the page and its two figures, in ``images`` beside it."""
    judged = Judged(study, work, seeds)
    images = make_folder(path.parent / "images")
    parts = [
        head(judged, facts),
        verdicts(judged),
        main_table(judged, "Main comparison", study.main),
        lambda_table(judged),
        coverage_table(judged),
        ours_table(judged),
        clean_table(judged),
        gate_table(judged),
    ]
    name = path.stem.removeprefix("results_")
    figures = {f"{name}_lambda.png": draw_lambda(judged)}
    if study.coverages:
        figures[f"{name}_coverage.png"] = draw_coverage(judged)
    for file, figure in figures.items():
        save_figure(figure, images / file)
        parts.append(f"![{file.removesuffix('.png').replace('_', ' ')}](images/{file})")
    with appearing_at_once(path) as page:
        page.write(("\n\n".join(part for part in parts if part) + "\n").encode())


def head(judged: Judged, facts: Mapping[str, object]) -> str:
    """Say how the page was made."""
    study = judged.study
    data = study.drawn if facts["drawn"] else study.about
    rows = [
        ["data", data],
        [
            "training",
            "as `configs/avmnist/*.yaml`"
            + ("" if study.title.startswith("Audio") else " and `configs/image_text/task.yaml`")
            + "; what has no stage 1 gets the epochs of both; the last weights are judged, for"
            " there are no validation cases",
        ],
        ["seeds", f"{facts['n_seeds']}; a seed decides initial weights, batches and modality sets"],
        [
            "time",
            f"{judged.training_minutes():.0f} minutes in all of the trainings, each with one thread",
        ],
        [
            "figures",
            "accuracy in %, mean ± standard deviation over seeds; ECE over 15 bins of equal"
            " width, in %; counter-intuitive rates (CIR) in % of (case, one modality) pairs:"
            " *wrong*, both together are wrong where the one alone is right, *confidence*, the right"
            " class is less probable",
        ],
    ]
    return (
        f"# {study.title}: results of SimMLM, its ablations, its peers and variants of our own\n\n"
        f"Made by `{facts['command']}`, which goes on where it was stopped.\n\n"
        + markdown_table(["", ""], rows, ["---", "---"])
    )


@dataclass(frozen=True)
class Claim:
    """The paper finds SimMLM ahead of another row."""

    other: Row
    source: str


CLAIMS = (
    Claim(WITHOUT_MOFE, "Fig. A3: the ranking loss helps"),
    Claim(STATIC, "Table A2: the gate weighs"),
    Claim(FROM_SCRATCH, "Table A2: experts are trained alone first"),
    Claim(FEATURE, "Table A3: logits, not features, are mixed"),
    Claim(PROBABILITY, "Table A3: logits, not probabilities, are mixed"),
    Claim(MOMKE, "main table, Fig. A2"),
    Claim(SHASPEC, "Fig. A2"),
)


def verdicts(judged: Judged) -> str:
    """Say which claims of the paper these runs bear out."""
    rows, counts = [], {"reproduced": 0, "undecided": 0, "opposite": 0}
    for claim in CLAIMS:
        found, word = verdict(judged, SIMMLM, claim.other)
        counts[word] += 1
        rows.append([claim.other.title, claim.source, found, word])
    table = markdown_table(
        ["SimMLM ahead of", "claim", "difference in accuracy of both, points", "these runs"],
        rows,
        ["---"] * 4,
    )
    total = ", ".join(f"{count} {word}" for word, count in counts.items())
    return (
        f"## What was and was not reproduced\n\n**Of {len(CLAIMS)} claims: {total}.**\n\n"
        "A difference is SimMLM less the other, with both modalities: its 95 % interval of a paired"
        " bootstrap over test cases, a case's value being the share of seeds that are right; p of"
        " McNemar's exact test, the median over seeds, and in how many seeds it is below 0.05."
        " *Reproduced* and *opposite* want an interval without 0; no correction for the number of"
        " comparisons. Of Table A2 and A3 the paper has BraTS alone; here they are carried over.\n\n"
        + table
    )


def verdict(judged: Judged, row: Row, other: Row) -> tuple[str, str]:
    """Compare two rows: the difference in words, and what it says of the claim."""
    a, b = judged.runs(row), judged.runs(other)
    both = judged.study.both
    found = accuracy_difference(a, b, both, seed=0)
    tests = [test.p for test in mcnemars(a, b, both)]
    below = sum(p < LEVEL for p in tests)
    text = (
        f"{100 * found.mean:+.2f} ({100 * found.low:+.2f} to {100 * found.high:+.2f});"
        f" p {median(tests):.2f}, {below} of {len(tests)}"
    )
    if found.low > 0:
        return text, "reproduced"
    return text, "opposite" if found.high < 0 else "undecided"


def main_table(judged: Judged, title: str, rows: Sequence[Row]) -> str:
    """Table accuracy, calibration and counter-intuitive rates."""
    study = judged.study
    heads = [*study.modalities.values(), "both"]
    columns = ["", *heads, "ECE both", "CIR wrong", "CIR confidence"]
    cells = [[row.title, *figures(judged, row)] for row in rows if judged.has(row)]
    paper = [
        f"*SimMLM of the paper{study.paper_data}*",
        *(f"*{value:.2f}*" for value in study.paper),
        "–",
        "–",
        "–",
    ]
    return f"## {title}\n\n" + markdown_table(columns, [*cells, paper])


def figures(judged: Judged, row: Row) -> list[str]:
    """Return the cells of a row."""
    sets = [*judged.study.modalities, judged.study.both]
    cells = [shown(judged.over_seeds(row, accuracy_of(name))) for name in sets]
    cells.append(shown(judged.over_seeds(row, error_of(judged.study.both)), 2))
    rates = (judged.over_seeds(row, rate_of(kind)) for kind in (RIGHT_TO_WRONG, CONFIDENCE_FALLS))
    return [*cells, *map(shown, rates)]


def lambda_table(judged: Judged) -> str:
    """Table the weights of the ranking loss (Fig. A3)."""
    rows = judged.lambda_rows()
    heads = ["lambda", *judged.study.modalities.values(), "both"]
    heads += ["ECE both", "CIR wrong", "CIR confidence"]
    cells = [[f"{weight:g}", *figures(judged, row)] for weight, row in rows.items()]
    return "## Weight of the ranking loss (Fig. A3)\n\n" + markdown_table(heads, cells)


def coverage_table(judged: Judged) -> str:
    """Table trainings in which one modality is missing in most cases (Fig. A2)."""
    study = judged.study
    if not study.coverages:
        return ""
    cells = []
    for place, row in enumerate(study.covered):
        values = []
        for share in study.coverages:
            covered = study.covered_rows(share)[place]
            values.append(shown(judged.over_seeds(covered, accuracy_of(study.both))))
        cells.append([row.title, *values])
    name = study.modalities[study.coverage_of]
    heads = ["accuracy of both", *(f"{100 * share:g} %" for share in study.coverages)]
    return (
        f"## Training cases that have the {name} (Fig. A2)\n\n"
        "Tested on cases with both. The cases that keep it are spread over the classes; those of a"
        " smaller share are among those of a larger one.\n\n" + markdown_table(heads, cells)
    )


def ours_table(judged: Judged) -> str:
    """Table what is not in the paper, with differences to the paper's own recipe."""
    study = judged.study
    rows = [row for row in study.ours if judged.has(row)]
    cells = []
    for row in (SIMMLM, *rows):
        last = "–" if row is SIMMLM else verdict(judged, row, SIMMLM)[0]
        cells.append([row.title, *figures(judged, row), last])
    heads = ["", *study.modalities.values(), "both", "ECE both", "CIR wrong", "CIR confidence"]
    table = markdown_table([*heads, "both, less SimMLM, points"], cells)
    return (
        "## Beyond the paper: what makes the gate worth having?\n\n"
        "Each is an overlay of `configs/avmnist/variants`, the first without any training of stage 2; none is a default. Adding the experts'"
        " logits up instead of averaging them is what Bayes' rule asks of modalities that are"
        " independent given the class; an average divides the evidence by the number of modalities,"
        " so that a sure expert loses confidence whenever an unsure one joins.\n\n" + table
    )


def clean_table(judged: Judged) -> str:
    """Table the rows under the other condition of the data."""
    rows = [row for row in judged.study.clean if judged.has(row)]
    return main_table(judged, judged.study.clean_title, rows) if rows else ""


def gate_table(judged: Judged) -> str:
    """Table the gate's weights and how they go with what the experts say alone."""
    study, runs = judged.study, judged.runs(SIMMLM)
    everything = len(runs[0].sets) - 1
    cells = []
    for m, (name, title) in enumerate(study.modalities.items()):
        weights = [run.weights[:, everything, m] for run in runs]
        r = mean_correlation(runs, name, seed=0)
        cells.append(
            [
                title,
                f"{mean(float(np.mean(one)) for one in weights):.3f}",
                f"{mean(float(np.std(one)) for one in weights):.3f}",
                f"{r.r:+.2f} ({r.low:+.2f} to {r.high:+.2f})",
                "–" if study.paper_correlation is None else f"{study.paper_correlation[m]:.2f}",
            ]
        )
    heads = ["", "mean weight", "its standard deviation over cases"]
    heads += ["r with the confidence alone (95 % interval)", "paper, Food-101"]
    return (
        "## The gate of SimMLM\n\nWith both modalities; r is Pearson's correlation over test cases"
        " of a modality's weight with the probability that its expert alone gives the right"
        " class, averaged over seeds; its interval resamples cases.\n\n"
        + markdown_table(heads, cells)
    )
