import re

import pytest

from bundle.evaluation.reports.comparison_tables import latex_comparison, markdown_comparison
from bundle.evaluation.statistics.comparison import compare
from tests.evaluation.sample_scores import rising_run

NASTY = "a|b_c & 5%\n\\input{x}"


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


@pytest.mark.parametrize(
    ("metric", "best"),
    [
        ("dice", "two"),
        ("hd95_mm", "two"),
        ("sce", "two"),
        ("ece", "one"),
        ("entropy_auroc", "two"),
        ("truth_ml", None),
        ("weight_t1c", None),
    ],
)
def test_the_best_mean_is_bold_where_one_can_say_which_is_best(metric, best):
    sets = ("t1c", "t1c+t2f")
    ones = {"ece": 0.1, "sce": 0.3, "entropy_auroc": 0.5, "weight_t1c": 0.2}
    twos = {"ece": 0.3, "sce": 0.1, "entropy_auroc": 0.8, "weight_t1c": 0.6}
    runs = {
        "one": rising_run(sets=sets, **ones),
        "two": rising_run(sets=sets, shift=0.3, **twos),
    }
    result = compare(runs, metric)
    first, second = (
        part.splitlines()[2:] for part in markdown_comparison(result).split("\n\n")[1::2]
    )
    assert [cells(line)[1] for line in first if "**" in line] == ([best] if best else [])
    assert [[("**" in cell) for cell in cells(line)[2:]] for line in second] == [
        [name == best for name in runs]
    ] * 2
    assert latex_comparison(result).count(r"\textbf{") == (3 if best else 0)


def test_runs_that_show_the_same_best_mean_are_all_bold():
    result = compare(
        {"one": rising_run(), "two": rising_run(shift=0.0001), "three": rising_run(shift=-0.1)}
    )
    assert [
        cells(line)[1] for line in markdown_comparison(result).splitlines() if "**" in line
    ] == ["one", "two"]


def test_a_row_of_every_set_tells_means_differences_and_p():
    sets = ("t1c", "t1c+t2f")
    text = markdown_comparison(
        compare({"one": rising_run(sets=sets), "two": rising_run(sets=sets, shift=-0.05)})
    )
    assert cells(text.splitlines()[-1]) == ["t1c+t2f", "ET", "**36.0**", "31.0 (-5.0; 0.0312)"]


def test_latex_has_the_rows_of_markdown():
    sets = ("t1c", "t1c+t2f")
    result = compare({"one": rising_run(sets=sets), "two": rising_run(sets=sets, shift=-0.05)})
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
    result = compare({NASTY: rising_run(), "two": rising_run("abc", shift=0.1)})
    table = [line for line in markdown_comparison(result).splitlines() if line[:1] == "|"]
    assert {len(cells(line)) for line in table} == {5}
    assert len(table) == 4
    tex = latex_comparison(result)
    assert tex.count(r"a\textbar{}b\_c \& 5\% \textbackslash{}input\{x\}") == 3
    assert not re.search(r"\\input|(?<!\\)_|[^\\]% ?\S*\\\\$", tex)


def test_the_notes_say_which_cases_were_left_out():
    runs = {"one": rising_run("abcdef"), "two": rising_run("bcdeyz"), "three": rising_run("abcde")}
    assert "left out: one 2, two 2, three 1." in markdown_comparison(compare(runs))


@pytest.mark.parametrize(
    ("empty", "words"), [("skip", "are left out"), ("one", "counts 100 if nothing")]
)
def test_the_notes_say_what_regions_count_that_the_truth_does_not_have(empty, words):
    runs = {"one": rising_run(truth_ml=0.0), "two": rising_run(truth_ml=0.0)}
    assert words in markdown_comparison(compare(runs, empty=empty))


def test_one_common_case_has_neither_interval_nor_p():
    result = compare({"one": rising_run("a"), "two": rising_run("a", shift=0.05)})
    last = markdown_comparison(result).splitlines()[-1]
    assert cells(last) == ["ET", "two", "**15.0**", "+5.0", "–"]
    assert latex_comparison(result).isascii()


def test_one_run_alone_is_not_the_best():
    assert "**" not in markdown_comparison(compare({"one": rising_run()}))


def test_a_calibration_error_is_in_percent():
    runs = {"one": rising_run(sce=0.1234), "two": rising_run(sce=0.1)}
    text = markdown_comparison(compare(runs, "sce"))
    assert text.startswith("static calibration error, %, set t1c.")
    assert cells(text.splitlines()[-1])[1:4] == [
        "two",
        "**10.00 (10.00–10.00)**",
        "-2.34 (-2.34 to -2.34)",
    ]
