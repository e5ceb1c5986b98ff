import json
import math

import pytest

from bundle.errors import UsageError
from bundle.evaluation.score_table import Score
from bundle.evaluation.statistics.comparison import compare
from bundle.evaluation.statistics.summary import summarise
from tests.evaluation.sample_scores import rising_run, rising_scores, table_of


def compared(*arguments, **options) -> dict:
    """A comparison as it is written."""
    return compare(*arguments, **options).to_json()


def test_runs_have_their_means_and_differences_to_the_first():
    result = compared(
        {"first": rising_run(), "better": rising_run(shift=0.05), "worse": rising_run(shift=-0.03)}
    )
    found = result["mean"]["ET"]
    assert [found[name]["mean"] for name in result["runs"]] == pytest.approx([0.35, 0.4, 0.32])
    assert "difference" not in found["first"]
    assert found["better"]["difference"] == {
        "mean": pytest.approx(0.05),
        "low": pytest.approx(0.05),
        "high": pytest.approx(0.05),
        "n": 6,
        "p": pytest.approx(2 / 2**6),
    }
    assert found["worse"]["difference"]["mean"] == pytest.approx(-0.03)
    assert (found["first"]["n"], result["n_cases"]) == (6, 6)


def test_the_mean_is_over_sets_first_and_every_set_is_compared_by_itself():
    sets = ("t1c", "t2f", "t1c+t2f")
    result = compared({"one": rising_run(sets=sets), "two": rising_run(sets=sets, shift=0.05)})
    assert result["sets"] == list(sets)
    assert result["mean"]["ET"]["one"]["mean"] == pytest.approx(0.36)
    assert list(result["by_set"]) == list(sets)
    assert result["by_set"]["t1c+t2f"]["ET"]["two"]["mean"] == pytest.approx(0.42)
    assert result["by_set"]["t2f"]["ET"]["two"]["difference"]["mean"] == pytest.approx(0.05)


def test_cases_that_not_all_runs_have_are_left_out_and_counted():
    result = compared(
        {"one": rising_run("abcdef"), "two": rising_run("bcdeyz"), "three": rising_run("abcde")}
    )
    assert result["n_cases"] == 4
    assert result["n_left_out"] == {"one": 2, "two": 2, "three": 1}
    assert result["mean"]["ET"]["one"]["mean"] == pytest.approx((0.2 + 0.3 + 0.4 + 0.5) / 4)


def test_cases_are_paired_by_name_whatever_else_the_runs_have():
    result = compared({"one": rising_run("acdef"), "two": rising_run("bcdef", shift=0.05)})
    assert result["mean"]["ET"]["two"]["difference"]["low"] == pytest.approx(0.05)


def test_only_sets_that_all_runs_have_count():
    result = compared(
        {"one": rising_run(sets=("t1c", "t1c+t2f")), "two": rising_run(sets=("t1c",))}
    )
    assert result["sets"] == ["t1c"]
    assert result["mean"]["ET"]["one"]["mean"] == pytest.approx(0.35)


@pytest.mark.parametrize(
    "missing", [[], [Score("a", "t1c+t2f", "ET", "dice", math.nan)]], ids=["no row", "NaN"]
)
def test_a_value_that_one_run_lacks_counts_in_none(missing):
    """Without the second set of case a its mean is that of the first: 0.1, and 0.205, 0.305 ...
    0.605 of the others.
    """
    sets = ("t1c", "t1c+t2f")
    holes = table_of([*rising_scores("bcdef", sets), *rising_scores("a", sets[:1]), *missing])
    result = compared({"whole": rising_run(sets=sets), "holes": holes})
    found = result["mean"]["ET"]
    assert found["whole"]["mean"] == pytest.approx((0.1 + 2.025) / 6)
    assert found["holes"]["difference"]["mean"] == pytest.approx(0.0, abs=1e-12)
    assert result["by_set"]["t1c+t2f"]["ET"]["whole"]["n"] == 5


@pytest.mark.parametrize(("empty", "n"), [("skip", 0), ("one", 6)])
def test_regions_that_the_truth_does_not_have_are_left_out_unless_they_shall_count(empty, n):
    result = compared(
        {"one": rising_run(truth_ml=0.0), "two": rising_run(truth_ml=0.0)}, empty=empty
    )
    assert (result["empty"], result["mean"]["ET"]["two"]["n"]) == (empty, n)
    assert json.loads(json.dumps(result, allow_nan=False)) == result


def test_one_common_case_has_a_difference_without_interval_or_test():
    result = compared({"one": rising_run("a"), "two": rising_run("a", shift=0.05)})
    difference = result["mean"]["ET"]["two"]["difference"]
    assert difference == {"mean": pytest.approx(0.05), "low": None, "high": None, "n": 1, "p": None}


@pytest.mark.parametrize(
    ("others", "words"),
    [
        ({"two": rising_run("xyz")}, "a case in common; got none of one in two"),
        (
            {"two": rising_run("abcd"), "three": rising_run("ef")},
            "a case in common; got none of one and two in three",
        ),
        ({"two": rising_run(sets=("t2f",))}, "a set in common; got none of one in two"),
        ({"two": rising_run(region="WT")}, "a region in common; got none of one in two"),
    ],
)
def test_runs_that_have_nothing_in_common_are_refused_by_name(others, words):
    with pytest.raises(UsageError, match=words) as caught:
        compared({"one": rising_run(), **others})
    assert caught.value.code == "E_SCORES"


def test_a_metric_that_one_run_lacks_is_refused_with_the_name_of_that_rising_run():
    with pytest.raises(UsageError, match="those of two, dice, hd95_mm, truth_ml; got 'ece'"):
        compared({"one": rising_run(ece=0.1), "two": rising_run()}, "ece")


def test_the_seed_alone_decides_a_comparison():
    tables = {"one": rising_run(), "two": rising_run(shift=0.05)}
    assert compared(tables, seed=1) == compared(tables, seed=1)
    assert compared(tables, seed=1) != compared(tables, seed=2)


def test_one_run_alone_has_no_differences():
    result = compared({"one": rising_run()})
    assert "difference" not in result["mean"]["ET"]["one"]


def test_a_run_has_the_interval_of_its_own_report_where_nothing_is_left_out():
    table = rising_run(cases="gfedcba", sets=("t1c", "t1c+t2f"))
    result = compared(
        {"one": table, "two": rising_run(cases="abcdefg", sets=("t1c", "t1c+t2f"))}, seed=3
    )
    assert (
        result["mean"]["ET"]["one"]
        == summarise(table, seed=3).means["dice"]["mean"]["ET"].to_json()
    )
