import json
import math
import re

import pytest

from bundle.errors import UsageError
from bundle.evaluation.reports.comparison import compare, latex_comparison, markdown_comparison
from bundle.evaluation.score_table import Score, ScoreTable
from bundle.evaluation.statistics.summary import summarise

NASTY = "a|b_c & 5%\n\\input{x}"


def scores(cases="abcdef", sets=("t1c",), region="ET", shift=0.0, **more: float) -> list[Score]:
    """Dice is 0.1 for case a, 0.2 for b and so on, and 0.01 more with every further set."""
    return [
        Score(case, name, region, metric, value)
        for case in cases
        for index, name in enumerate(sets)
        for metric, value in {
            "dice": 0.1 * (ord(case) - 96) + 0.01 * index + shift,
            "hd95_mm": 5.0 - shift,
            "truth_ml": 1.0,
            **more,
        }.items()
    ]


def run(*arguments, **options) -> ScoreTable:
    return ScoreTable(scores(*arguments, **options))


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def test_runs_have_their_means_and_differences_to_the_first():
    result = compare({"first": run(), "better": run(shift=0.05), "worse": run(shift=-0.03)})
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
    result = compare({"one": run(sets=sets), "two": run(sets=sets, shift=0.05)})
    assert result["sets"] == list(sets)
    assert result["mean"]["ET"]["one"]["mean"] == pytest.approx(0.36)
    assert list(result["by_set"]) == list(sets)
    assert result["by_set"]["t1c+t2f"]["ET"]["two"]["mean"] == pytest.approx(0.42)
    assert result["by_set"]["t2f"]["ET"]["two"]["difference"]["mean"] == pytest.approx(0.05)


def test_cases_that_not_all_runs_have_are_left_out_and_counted():
    result = compare({"one": run("abcdef"), "two": run("bcdeyz"), "three": run("abcde")})
    assert result["n_cases"] == 4
    assert result["n_left_out"] == {"one": 2, "two": 2, "three": 1}
    assert result["mean"]["ET"]["one"]["mean"] == pytest.approx((0.2 + 0.3 + 0.4 + 0.5) / 4)
    assert "left out: one 2, two 2, three 1." in markdown_comparison(result)


def test_cases_are_paired_by_name_whatever_else_the_runs_have():
    result = compare({"one": run("acdef"), "two": run("bcdef", shift=0.05)})
    assert result["mean"]["ET"]["two"]["difference"]["low"] == pytest.approx(0.05)


def test_only_sets_that_all_runs_have_count():
    result = compare({"one": run(sets=("t1c", "t1c+t2f")), "two": run(sets=("t1c",))})
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
    holes = ScoreTable([*scores("bcdef", sets), *scores("a", sets[:1]), *missing])
    result = compare({"whole": run(sets=sets), "holes": holes})
    found = result["mean"]["ET"]
    assert found["whole"]["mean"] == pytest.approx((0.1 + 2.025) / 6)
    assert found["holes"]["difference"]["mean"] == pytest.approx(0.0, abs=1e-12)
    assert result["by_set"]["t1c+t2f"]["ET"]["whole"]["n"] == 5


@pytest.mark.parametrize(("empty", "n"), [("skip", 0), ("one", 6)])
def test_regions_that_the_truth_does_not_have_are_left_out_unless_they_shall_count(empty, n):
    result = compare({"one": run(truth_ml=0.0), "two": run(truth_ml=0.0)}, empty=empty)
    assert (result["empty"], result["mean"]["ET"]["two"]["n"]) == (empty, n)
    assert json.loads(json.dumps(result, allow_nan=False)) == result
    assert ("are left out" if empty == "skip" else "counts 100 if nothing") in markdown_comparison(
        result
    )


def test_one_common_case_has_a_difference_without_interval_or_test():
    result = compare({"one": run("a"), "two": run("a", shift=0.05)})
    difference = result["mean"]["ET"]["two"]["difference"]
    assert difference == {"mean": pytest.approx(0.05), "low": None, "high": None, "n": 1, "p": None}
    assert cells(markdown_comparison(result).splitlines()[-1]) == [
        "ET",
        "two",
        "**15.0**",
        "+5.0",
        "–",
    ]
    assert latex_comparison(result).isascii()


@pytest.mark.parametrize(
    ("others", "words"),
    [
        ({"two": run("xyz")}, "a case in common; got none of one in two"),
        (
            {"two": run("abcd"), "three": run("ef")},
            "a case in common; got none of one and two in three",
        ),
        ({"two": run(sets=("t2f",))}, "a set in common; got none of one in two"),
        ({"two": run(region="WT")}, "a region in common; got none of one in two"),
    ],
)
def test_runs_that_have_nothing_in_common_are_refused_by_name(others, words):
    with pytest.raises(UsageError, match=words) as caught:
        compare({"one": run(), **others})
    assert caught.value.code == "E_SCORES"


def test_a_metric_that_one_run_lacks_is_refused_with_the_name_of_that_run():
    with pytest.raises(UsageError, match="those of two, dice, hd95_mm, truth_ml; got 'ece'"):
        compare({"one": run(ece=0.1), "two": run()}, "ece")


def test_the_seed_alone_decides_a_comparison():
    tables = {"one": run(), "two": run(shift=0.05)}
    assert compare(tables, seed=1) == compare(tables, seed=1)
    assert compare(tables, seed=1) != compare(tables, seed=2)


@pytest.mark.parametrize(
    ("metric", "best"), [("dice", "two"), ("hd95_mm", "two"), ("truth_ml", None)]
)
def test_the_best_mean_is_bold_where_one_can_say_which_is_best(metric, best):
    sets = ("t1c", "t1c+t2f")
    result = compare({"one": run(sets=sets), "two": run(sets=sets, shift=0.3)}, metric)
    first, second = (
        part.splitlines()[2:] for part in markdown_comparison(result).split("\n\n")[1::2]
    )
    assert [cells(line)[1] for line in first if "**" in line] == ([best] if best else [])
    assert [[("**" in cell) for cell in cells(line)[2:]] for line in second] == [
        [False, best is not None]
    ] * 2
    assert latex_comparison(result).count(r"\textbf{") == (3 if best else 0)


def test_runs_that_show_the_same_best_mean_are_all_bold():
    result = compare({"one": run(), "two": run(shift=0.0001), "three": run(shift=-0.1)})
    assert [
        cells(line)[1] for line in markdown_comparison(result).splitlines() if "**" in line
    ] == ["one", "two"]


def test_a_row_of_every_set_tells_means_differences_and_p():
    sets = ("t1c", "t1c+t2f")
    text = markdown_comparison(compare({"one": run(sets=sets), "two": run(sets=sets, shift=-0.05)}))
    assert cells(text.splitlines()[-1]) == ["t1c+t2f", "ET", "**36.0**", "31.0 (-5.0; 0.0312)"]


def test_latex_has_the_rows_of_markdown():
    sets = ("t1c", "t1c+t2f")
    result = compare({"one": run(sets=sets), "two": run(sets=sets, shift=-0.05)})
    ours = [
        cells(line)
        for line in markdown_comparison(result).splitlines()
        if line[:1] == "|" and "---" not in line
    ]
    tex = re.sub(r"\\textbf\{(.*?)\}", r"**\1**", latex_comparison(result))
    for there, here in {"$-$": "-", "--": "–", "$p$": "p", r"\,\%": " %"}.items():
        tex = tex.replace(there, here)
    lines = [line.removesuffix(r"\\") for line in tex.splitlines() if line.endswith(r"\\")]
    assert [[cell.strip() for cell in line.split("&")] for line in lines] == ours


def test_names_of_runs_can_neither_break_a_table_nor_say_anything_to_latex():
    result = compare({NASTY: run(), "two": run("abc", shift=0.1)})
    table = [line for line in markdown_comparison(result).splitlines() if line[:1] == "|"]
    assert {len(cells(line)) for line in table} == {5}
    assert len(table) == 4
    tex = latex_comparison(result)
    assert tex.count(r"a\textbar{}b\_c \& 5\% \textbackslash{}input\{x\}") == 3
    assert not re.search(r"\\input|(?<!\\)_|[^\\]% ?\S*\\\\$", tex)


def test_one_run_alone_has_no_differences():
    result = compare({"one": run()})
    assert "difference" not in result["mean"]["ET"]["one"]
    assert "**" not in markdown_comparison(result)


def test_a_run_has_the_interval_of_its_own_report_where_nothing_is_left_out():
    table = run(cases="gfedcba", sets=("t1c", "t1c+t2f"))
    result = compare({"one": table, "two": run(cases="abcdefg", sets=("t1c", "t1c+t2f"))}, seed=3)
    assert result["mean"]["ET"]["one"] == summarise(table, seed=3)["means"]["dice"]["mean"]["ET"]
