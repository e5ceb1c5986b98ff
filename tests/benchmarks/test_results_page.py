import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from bundle.evaluation.score_table import Score, ScoreTable
from bundle.evaluation.statistics.set_pairs import counter_intuitive_rates
from bundle.evaluation.statistics.summary import summarise
from bundle.evaluation.task_names import set_members
from tests.benchmarks.results_page import COUNTER, NAMES, NO_CLAIM, case_values, write_page
from tests.benchmarks.tables import SIZES, VARIANTS, main
from tests.evaluation.sample_scores import REGIONS, SETS, table_of

CASES = [f"case-{index}" for index in range(8)]
FACTS = {"command": "make tables", "n_seeds": 2, "drawn": True, **asdict(SIZES["cpu"])}


def scores(dice: float, ece: float, seed: int) -> ScoreTable:
    """A run whose cases and sets differ a little around the given means."""
    noise = np.random.default_rng(seed).uniform(-0.02, 0.02, (len(CASES), len(SETS), len(REGIONS)))
    found = []
    for (c, s, r), extra in np.ndenumerate(noise):
        values = {
            "dice": dice,
            "ece": ece,
            "sce": ece,
            "entropy_auroc": 0.8,
            "confidence": 0.7,
            "truth_ml": 10.0,
        }
        values |= {f"weight_{name}": 1 / len(set_members(SETS[s])) for name in set_members(SETS[s])}
        shifted = {"dice", "ece", "sce"}
        found += [
            Score(CASES[c], SETS[s], REGIONS[r], metric, value + extra * (metric in shifted))
            for metric, value in values.items()
        ]
    return table_of(found)


def page(tmp_path: Path, other_dice: float, other_ece: float) -> str:
    """The page of SimMLM, at Dice 0.8 and error 0.1, beside another."""
    runs = {}
    for name, dice, ece in (("simmlm", 0.8, 0.1), ("momke", other_dice, other_ece)):
        runs[name] = [tmp_path / f"{name}-{seed}" for seed in range(2)]
        for seed, folder in enumerate(runs[name]):
            folder.mkdir()
            table = scores(dice, ece, seed if dice == 0.8 else seed + 10)
            table.write(folder / "scores.csv")
            (folder / "summary.json").write_text(
                json.dumps(summarise(table).to_json()), encoding="utf-8"
            )
    write_page(tmp_path / "results.md", runs, FACTS)
    return (tmp_path / "results.md").read_text(encoding="utf-8")


def row(text: str, metric: str) -> str:
    return next(
        line for line in text.splitlines() if line.startswith(f"| {NAMES[metric]} | MoMKE |")
    )


@pytest.mark.parametrize(
    ("dice", "ece", "verdicts"),
    [
        (0.6, 0.2, ("reproduced", "reproduced")),
        (0.9, 0.05, ("opposite", "opposite")),
        (0.801, 0.101, ("undecided", "undecided")),
    ],
)
def test_a_claim_is_judged_by_the_direction_that_is_better_for_its_metric(
    tmp_path, dice, ece, verdicts
):
    text = page(tmp_path, dice, ece)
    assert row(text, "dice").count(f": {verdicts[0]}") == 3
    assert row(text, "ece").count(f": {verdicts[1]}") == 3
    assert row(text, "sce").count(f": {verdicts[1]}") == 3


def test_what_did_not_learn_a_region_is_not_called_worse(tmp_path):
    """Neither for Dice nor for the calibration of a network that finds nothing."""
    text = page(tmp_path, 0.0, 0.2)
    assert row(text, "dice").count("not learned") == row(text, "ece").count("not learned") == 3
    assert "0 reproduced, 0 undecided, 0 opposite, 12 not learned" in text


def test_a_row_has_the_difference_in_points_and_the_seeds_that_agree(tmp_path):
    cell = row(page(tmp_path, 0.6, 0.2), "dice").split("|")[4]
    assert float(cell.split()[0]) == pytest.approx(20, abs=1)
    assert "p 0.008, 2 of 2: reproduced" in cell


def test_the_papers_figures_stand_beside_ours_with_what_they_are(tmp_path):
    text = page(tmp_path, 0.6, 0.2)
    assert "| 65.56 | 78.58 | 86.69 |" in text
    assert "orientation only" in text
    assert "third-party notes" in text


def test_what_the_paper_does_not_claim_is_not_counted(tmp_path):
    """Of MoMKE the paper claims Dice, two calibration errors and the counter-intuitive rate, for
    three regions.
    """
    text = page(tmp_path, 0.6, 0.2)
    assert NO_CLAIM not in text
    assert "Of 12 claims" in text


def test_the_counter_intuitive_rate_of_the_cases_averages_to_that_of_the_reports():
    table = scores(0.8, 0.1, seed=3)
    rates = counter_intuitive_rates(table.values("dice"), table.sets, seed=0)
    for region, expected in zip(table.regions, rates, strict=True):
        assert case_values(table, COUNTER, region).mean() == pytest.approx(expected.rate)


@pytest.mark.slow
def test_the_smallest_size_trains_judges_and_tables_and_goes_on_where_it_was(
    tmp_path, monkeypatch, capsys
):
    wanted = ["simmlm", "momke", "shaspec", "early_fusion"]
    options = [
        "--size",
        "tiny",
        "--seeds",
        "1",
        "--work",
        str(tmp_path / "work"),
        "--page",
        str(tmp_path / "page.md"),
    ]
    monkeypatch.setattr("sys.argv", ["tables", *options, "--only", *wanted])
    main()
    text, said = (tmp_path / "page.md").read_text(encoding="utf-8"), capsys.readouterr().out
    assert set(wanted) < set(VARIANTS)
    assert said.count("status 0") == 1 + 2 * len(wanted)
    for title in ("MoMKE", "ShaSpec", "early fusion with modality dropout"):
        assert f"| {title} |" in text
    main()
    assert capsys.readouterr().out == ""
    assert (tmp_path / "page.md").read_text(encoding="utf-8") == text
    (tmp_path / "work" / "tiny" / "size.json").write_text("{}")
    with pytest.raises(SystemExit, match="begun with other settings"):
        main()
