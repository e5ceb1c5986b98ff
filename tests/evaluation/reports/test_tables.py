import re

import pytest

from bundle.evaluation.metrics import metric_named
from bundle.evaluation.reports.tables import (
    latex_sets_table,
    markdown_overview,
    markdown_sets_table,
)
from bundle.evaluation.score_table import Score
from bundle.evaluation.statistics.correlations import Correlation
from bundle.evaluation.statistics.set_pairs import PairRate
from bundle.evaluation.statistics.summary import MEAN, Summary, summarise
from bundle.evaluation.task_names import GIVEN, set_members
from tests.evaluation.sample_scores import NAMES, REGIONS, SETS, table_of

FULL = SETS[-1]


def run(sets=SETS, cases="ab", empty="skip", **more: float) -> Summary:
    """Dice is 0.1 for TC, 0.2 for WT, 0.3 for ET, and 0.1 more with every further modality."""
    scores = []
    for case in cases:
        for name in sets:
            for index, region in enumerate(REGIONS):
                n = max(len(set_members(name)), 1)
                values = {
                    "dice": 0.1 * (index + n),
                    "hd95_mm": 12.34,
                    "volume_error_ml": -0.5,
                    "truth_ml": 3.0,
                    **more,
                }
                weights = {f"weight_{m}": 1 / n for m in set_members(name)}
                scores += [
                    Score(case, name, region, metric, value)
                    for metric, value in {**values, **weights}.items()
                ]
    return summarise(table_of(scores), empty=empty)


def rows(table: str) -> list[list[str]]:
    return [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in table.splitlines()
        if line[:1] == "|"
    ]


def latex_rows(table: str) -> list[list[str]]:
    lines = [line for line in table.splitlines() if line.endswith(r" \\")]
    return [line.removesuffix(r" \\").split(" & ") for line in lines]


def test_the_table_of_sets_has_15_rows_in_order_of_size_between_its_head_and_the_mean():
    head, rule, *body, mean = rows(markdown_sets_table(run()))
    assert head == ["T1", "T1ce", "T2", "FLAIR", "TC", "WT", "ET"]
    assert rule == [":-:"] * 4 + ["---:"] * 3
    assert [row[:4].count("●") for row in body] == [1] * 4 + [2] * 6 + [3] * 4 + [4]
    assert [row[:4].count("○") for row in body] == [3] * 4 + [2] * 6 + [1] * 4 + [0]
    assert len({tuple(row[:4]) for row in body}) == 15
    assert mean[:4] == ["mean", "", "", ""]


def test_a_row_has_filled_dots_for_its_modalities_and_the_means_in_percent():
    body = rows(markdown_sets_table(run()))[2:]
    assert body[SETS.index("t1c+t2f")] == ["○", "●", "○", "●", "20.0", "30.0", "40.0"]
    assert body[SETS.index(FULL)] == ["●"] * 4 + ["40.0", "50.0", "60.0"]
    # 4 of 0.1, 6 of 0.2, 4 of 0.3 and 1 of 0.4 are 3.2 of 15
    assert body[-1][4:] == ["21.3", "31.3", "41.3"]


@pytest.mark.parametrize(("metric", "expected"), [("hd95_mm", "12.3"), ("volume_error_ml", "-0.5")])
def test_distances_and_volumes_are_in_their_units(metric, expected):
    table = markdown_sets_table(run(), metric)
    assert rows(table)[2][4:] == [expected] * 3
    assert table.endswith("cases: TC 2, WT 2, ET 2.")
    assert metric_named(metric, NAMES.titles).full_title in table


@pytest.mark.parametrize(
    ("empty", "rule", "mean", "other"),
    [
        (
            "skip",
            "Regions that the truth does not have are left out",
            "30.0",
            "Counted as 100 or 0 instead",
        ),
        ("one", "counts 100 if nothing was predicted there, else 0", "65.0", "Left out instead"),
    ],
)
def test_below_dice_stand_the_convention_and_the_mean_under_the_other_one(empty, rule, mean, other):
    found = [Score("a", "t1c", "ET", "dice", 0.3), Score("a", "t1c", "ET", "truth_ml", 2.0)]
    found += [Score("b", "t1c", "ET", "dice", 1.0), Score("b", "t1c", "ET", "truth_ml", 0.0)]
    table = markdown_sets_table(summarise(table_of(found), empty=empty))
    assert rows(table)[-1][-1] == mean
    assert rule in table
    assert f"{other}, the mean is: ET {'65.0' if empty == 'skip' else '30.0'}." in table
    assert f"cases: ET {1 if empty == 'skip' else 2}." in table


def test_the_convention_of_other_metrics_is_theirs():
    summary = run(empty="one", ece=0.1)
    assert "counts 0 if nothing was predicted there, else the diagonal" in markdown_sets_table(
        summary, "hd95_mm"
    )
    assert "counts too" in markdown_sets_table(summary, "ece")
    assert "Cases whose truth does not have the region count too" in markdown_sets_table(
        summary, "volume_error_ml"
    )
    assert "instead, the mean" not in markdown_sets_table(summary, "hd95_mm")


def test_sets_that_fewer_cases_have_are_told():
    found = [Score(case, "t1c", "ET", m, 0.5) for case in "abc" for m in ("dice", "truth_ml")]
    found += [Score("a", "t1c+t2f", "ET", m, 0.5) for m in ("dice", "truth_ml")]
    assert "cases: ET 3 (at least 1 in every set)." in markdown_sets_table(
        summarise(table_of(found))
    )


def test_segmentations_of_unknown_origin_are_one_row_of_question_marks():
    table = markdown_sets_table(run((GIVEN,)))
    assert rows(table)[2:] == [["?"] * 4 + ["10.0", "20.0", "30.0"]]
    assert "the input modalities are unknown" in table


def test_latex_has_the_same_rows_between_the_lines_of_booktabs():
    table = latex_sets_table(run())
    ours = [
        [{"●": r"$\bullet$", "○": r"$\circ$"}.get(cell, cell) for cell in row]
        for row in rows(markdown_sets_table(run()))
    ]
    assert latex_rows(table)[:-1] == [ours[0], *ours[2:-1]]
    assert latex_rows(table)[-1] == [r"\multicolumn{4}{l}{mean}", *ours[-1][4:]]
    lines = table.splitlines()
    assert lines[0].startswith("% Dice, %. Regions")
    assert lines[1] == r"\begin{tabular}{ccccrrr}"
    assert [lines.index(rf"\{rule}") for rule in ("toprule", "bottomrule")] == [2, len(lines) - 2]
    assert lines.count(r"\midrule") == 2


def test_latex_writes_minus_signs_and_unknown_values_in_its_own_way():
    assert latex_rows(latex_sets_table(run(), "volume_error_ml"))[1][4:] == ["$-$0.5"] * 3
    unknown = run(("t1c",), precision=float("nan"))
    assert latex_rows(latex_sets_table(unknown, "precision"))[1][4:] == ["--"] * 3
    assert latex_sets_table(unknown, "precision").isascii()


def test_the_overview_has_a_row_per_metric_with_the_full_set_and_the_mean_over_sets():
    head, _, *body = rows(markdown_overview(run()).split("\n\n")[0])
    assert head[1:4] == [f"{region}, T1+T1ce+T2+FLAIR" for region in REGIONS]
    assert head[4:] == [f"{region}, mean of 15 sets" for region in REGIONS]
    assert [row[0] for row in body] == [
        "Dice, %",
        "HD95, mm",
        "volume error, ml",
        "true volume, ml",
    ]
    assert body[0][1] == "40.0 (40.0–40.0)"
    assert body[2][1] == "-0.5 (-0.5 to -0.5)"


def test_the_overview_tells_how_often_more_harmed_and_what_the_weights_followed():
    summary = run(cases="abc", confidence=0.5)
    summary.counter_intuitive["ET"] = PairRate(0.072, 0.05, 0.0911, 150)
    found = Correlation(0.29, -0.1, 0.604, 3)
    summary.weights_and_performance["t1c"]["ET"]["confidence"] = found
    _, note, rate, _, correlations = markdown_overview(summary).split("\n\n")
    assert "left out, but for volumes" in note
    assert "TC 0.0 (0.0–0.0) of 150" in rate
    assert "ET 7.2 (5.0–9.1) of 150" in rate
    assert ["T1ce", "ET", "–", "0.29 (-0.10 to 0.60), n = 3"] in rows(correlations)
    assert len(rows(correlations)) == 2 + 4 * len(REGIONS)


def test_the_overview_of_one_set_and_one_case_has_no_intervals_pairs_or_correlations():
    overview = markdown_overview(run((GIVEN,), cases="a"))
    assert rows(overview)[0][1:] == [f"{region}, given" for region in REGIONS]
    assert rows(overview)[2] == ["Dice, %", "10.0", "20.0", "30.0"]
    assert "larger set" not in overview
    assert "Correlation" not in overview


@pytest.mark.parametrize("text", [markdown_overview(run()), markdown_sets_table(run())])
def test_all_rows_of_a_table_have_as_many_cells(text):
    for table in re.split(r"\n\n", text):
        assert len({len(row) for row in rows(table)}) <= 1


def test_the_mean_row_is_that_of_the_summary():
    summary = run()
    expected = [f"{100 * summary.means['dice'][MEAN][region].mean:.1f}" for region in REGIONS]
    assert rows(markdown_sets_table(summary))[-1][4:] == expected


def test_the_note_below_the_overview_is_that_of_the_metrics_in_it():
    assert "Precision is that of cases with a prediction" not in markdown_overview(run())
    assert "Precision is that of cases with a prediction" in markdown_overview(run(precision=0.5))
