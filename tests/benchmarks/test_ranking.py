"""The page on the ranking loss."""

import numpy as np
import pytest

from bundle.config_files import find_overlay
from bundle.evaluation.score_table import Score
from tests.benchmarks.ranking import (
    RECIPE,
    TITLES,
    VARIANTS,
    case_values,
    counter_intuitive,
    write_page,
)
from tests.benchmarks.tables import SIZES, Study
from tests.evaluation.sample_scores import REGIONS, SETS, table_of

CASES = [f"case-{index}" for index in range(6)]


def scores(loss_of_more):
    """Every set that has t1n, but not all modalities, loses so much Dice; confidence never falls."""
    found = []
    for case in CASES:
        for name in SETS:
            members = name.split("+")
            loses = "t1n" in members and 1 < len(members) < 4
            values = {
                "dice": 0.8 - loss_of_more * loses,
                "ece": 0.02,
                "truth_ml": 10.0,
                "confidence": 0.5 + 0.1 * len(members),
            }
            found += [
                Score(case, name, region, metric, value)
                for region in REGIONS
                for metric, value in values.items()
            ]
    return table_of(found)


def run(folder, loss_of_more, hinge):
    (folder / "judged").mkdir(parents=True)
    scores(loss_of_more).write(folder / "judged" / "scores.csv")
    lines = [f"{epoch},0.4,0.6,{hinge}" for epoch in range(6)]
    (folder / "mixture.csv").write_text("\n".join(["epoch,more,fewer,hinge", *lines]))
    return folder


@pytest.mark.parametrize(("smallest", "is_counted"), [(1e-6, True), (0.01, False)])
def test_pairs_that_lose_little_are_not_worse_by_a_point(smallest, is_counted):
    members = [set(name.split("+")) for name in SETS]
    pairs = [(fewer, more) for fewer in members for more in members if fewer < more]
    lost = [members for members in members if "t1n" in members and 1 < len(members) < 4]
    n_worse = sum(more in lost and fewer not in lost for fewer, more in pairs)
    rates = counter_intuitive(scores(0.004), "dice", smallest)
    assert rates.tolist() == pytest.approx([n_worse / 50 if is_counted else 0.0] * len(CASES))


def test_the_page_compares_every_row_with_the_recipe(tmp_path):
    runs = {
        RECIPE: [run(tmp_path / f"{RECIPE}-{seed}", 0.1, 0.002) for seed in range(2)],
        "summed": [run(tmp_path / f"summed-{seed}", 0.0, 0.0) for seed in range(2)],
    }
    study = Study(tmp_path, SIZES["cpu"], tmp_path, tmp_path, None, "cpu")
    write_page(tmp_path / "page.md", runs, study)
    text = (tmp_path / "page.md").read_text(encoding="utf-8")
    rates = case_values(runs[RECIPE])
    assert np.allclose(rates["confidence"], 0)
    rate = 100 * rates["counter"][0]
    (row,) = [line for line in text.splitlines() if line.startswith(f"| {TITLES['summed']} |")][:1]
    assert f"| -{rate:.1f} (-{rate:.1f} to -{rate:.1f}) |" in row
    assert f"| {TITLES[RECIPE]} | 0.600 | 0.400 | 0.20 % | {rate:.1f} % |" in text


def test_every_variant_has_a_title_and_its_overlays_are_there():
    assert set(TITLES) == set(VARIANTS)
    for variant in VARIANTS.values():
        assert all(find_overlay(overlay).is_file() for overlay in variant.overlays)
