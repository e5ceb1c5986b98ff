import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bundle.classification.judging.class_scores import ClassScores
from bundle.config_files import config_set, read_overlay
from bundle.evaluation.task_names import TaskNames
from bundle.tasks.class_task import load_class_task
from tests.benchmarks.class_judged import Judged, shown
from tests.benchmarks.class_page import CLAIMS, verdict, write_page
from tests.benchmarks.class_rows import AVMNIST, IMAGE_TEXT, MAIN, OURS, SIMMLM, STATIC, Study

N = 60
OWN = config_set(load_class_task("avmnist"))
FACTS = {"command": "make tables-avmnist", "drawn": True, "n_seeds": 2}


def scores(study: Study, share_right: float, seed: int) -> ClassScores:
    """Return cases of which a share is right from both modalities, and half from one alone."""
    names = TaskNames("x", dict.fromkeys(study.modalities, ""), ())
    generator = np.random.default_rng(seed)
    n_right = round(share_right * N)
    right = np.stack([np.arange(N) % 2 == 0, np.arange(N) % 2 == 1, np.arange(N) < n_right], axis=1)
    confidence = generator.uniform(0.6, 0.9, (N, 3))
    weights = np.stack([[1, 0], [0, 1], [0.5, 0.5]])[None] + np.zeros((N, 1, 1))
    weights[:, 2, 0] += generator.normal(0, 0.05, N)
    weights[:, 2, 1] = 1 - weights[:, 2, 0]
    return ClassScores(
        tuple(study.modalities),
        tuple(f"case-{n}" for n in range(N)),
        names.modality_sets,
        np.full(N, "a"),
        np.where(right, "a", "b"),
        confidence,
        np.where(right, confidence, 1 - confidence),
        weights,
    )


def judged(study: Study, work: Path, *, better: float, others: float) -> Judged:
    for seed in range(2):
        for row in study.rows:
            share = better if row.name == SIMMLM.name else others
            folder = work / f"seed-{seed}" / f"{row.name}{row.condition_name}" / "judged"
            folder.mkdir(parents=True, exist_ok=True)
            scores(study, share, seed).write(folder / "scores.csv")
    return Judged(study, work, [0, 1])


@pytest.mark.parametrize("study", [AVMNIST, IMAGE_TEXT], ids=lambda study: study.page)
def test_a_page_has_all_rows_and_its_figures(study, tmp_path):
    judged(study, tmp_path / "work", better=0.9, others=0.9)
    page = tmp_path / "docs" / study.page
    page.parent.mkdir()
    write_page(page, study, tmp_path / "work", [0, 1], FACTS)
    text = page.read_text(encoding="utf-8")
    assert all(f"| {row.title} |" in text for row in (*study.main, *study.ours))
    assert "| 90.00 ± 0.00 |" in text
    pictures = re.findall(r"\]\((images/[^)]+)\)", text)
    assert len(pictures) == 1 + bool(study.coverages)
    assert all((page.parent / picture).is_file() for picture in pictures)
    assert text.count("undecided") >= len(CLAIMS)


@pytest.mark.parametrize(
    ("better", "others", "word"),
    [(0.9, 0.5, "reproduced"), (0.9, 0.9, "undecided"), (0.5, 0.9, "opposite")],
)
def test_a_claim_is_what_the_interval_says(tmp_path, better, others, word):
    found = judged(AVMNIST, tmp_path, better=better, others=others)
    text, said = verdict(found, SIMMLM, STATIC)
    assert said == word
    assert text.startswith(f"{100 * (better - others):+.2f} (")
    assert text.endswith("2 of 2" if word != "undecided" else "0 of 2")


def test_every_row_has_a_folder_of_its_own():
    for study in (AVMNIST, IMAGE_TEXT):
        names = [f"{row.name}{row.condition_name}" for row in study.rows]
        assert len(set(names)) == len(names)


def test_rows_of_one_condition_share_their_experts():
    few = SIMMLM.under(coverage={"audio": 0.05})
    assert few.condition_name == replace(STATIC, condition=few.condition).condition_name
    assert few.condition_name == "-coverage-audio-0.05"
    assert SIMMLM.condition_name == ""


@pytest.mark.parametrize("row", [*MAIN, *OURS], ids=lambda row: row.name)
def test_a_row_has_a_stage_1_unless_its_overlay_starts_from_nothing(row):
    paths = OWN.overlays(row.overlays)
    alone = any("start_from" in read_overlay(path) for path in paths)
    assert row.has_experts == (not alone)


def test_the_time_is_that_of_all_epochs(tmp_path):
    for name, seconds in (("experts", 90.0), ("simmlm", 30.0)):
        folder = tmp_path / "seed-0" / name
        folder.mkdir(parents=True)
        (folder / "mixture.csv").write_text(f"epoch,seconds\n1,{seconds}\n2,{seconds}\n")
    assert Judged(AVMNIST, tmp_path, [0, 1]).training_minutes() == 4


def test_one_seed_has_no_deviation():
    assert shown([0.5]) == "50.00"
    assert shown([0.5, 0.7], 1) == "60.0 ± 14.1"
