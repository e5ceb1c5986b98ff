import math

import numpy as np
import pytest

from bundle.errors import OutputError, UsageError
from bundle.evaluation.score_table import COLUMNS, Score, ScoreTable
from bundle.evaluation.task_names import GIVEN, TaskNames, set_members
from tests.evaluation.sample_scores import LUNG, NAMES, table_of

HEAD = ",".join(COLUMNS)


def table() -> ScoreTable:
    """Case b has no ET and was judged on one set of the two."""
    scores = [
        Score("b", "t1c", "ET", "dice", 1.0),
        Score("b", "t1c", "ET", "truth_ml", 0.0),
        Score("b", "t1c", "TC", "dice", 0.25),
        Score("b", "t1c", "TC", "truth_ml", 3.0),
        Score("b", "t1c", "ET", "weight_t1c", 1.0),
        Score("a", "t1c+t2f", "ET", "dice", 0.5),
        Score("a", "t1c+t2f", "ET", "truth_ml", 2.0),
        Score("a", "t1c", "ET", "dice", 0.125),
        Score("a", "t1c", "ET", "truth_ml", 2.0),
    ]
    return table_of(scores)


def test_sets_are_in_order_of_size_and_given_comes_last():
    scores = [Score("a", name, "WT", "dice", 0.5) for name in reversed(NAMES.all_sets)]
    sets = table_of(scores).sets
    assert [len(set_members(name)) for name in sets] == [1] * 4 + [2] * 6 + [3] * 4 + [4, 0]
    assert sets[-1] == GIVEN


def test_cases_are_sorted_and_regions_are_in_the_order_of_the_project():
    assert table().cases == ("a", "b")
    assert table().sets == ("t1c", "t1c+t2f")
    assert table().regions == ("TC", "ET")
    assert table().metrics == ("dice", "truth_ml", "weight_t1c")


def test_values_are_by_case_set_and_region_and_nan_where_there_is_none():
    nan = math.nan
    expected = [[[nan, 0.125], [nan, 0.5]], [[0.25, 1.0], [nan, nan]]]
    np.testing.assert_array_equal(table().values("dice", empty="one"), expected)


def test_what_the_truth_does_not_have_is_left_out_unless_it_shall_count():
    assert math.isnan(table().values("dice", empty="skip")[1, 0, 1])
    assert table().values("dice", empty="skip")[1, 0, 0] == 0.25
    np.testing.assert_array_equal(table().values("dice"), table().values("dice", empty="skip"))


def test_a_region_is_left_out_of_all_sets_of_its_case():
    rows = [Score("a", chosen, "ET", "dice", 1.0) for chosen in ("t1c", "t2f")]
    found = table_of([*rows, Score("a", "t1c", "ET", "truth_ml", 0.0)]).values("dice", empty="skip")
    assert np.isnan(found).all()


@pytest.mark.parametrize(("metric", "expected"), [("truth_ml", 0.0), ("weight_t1c", 1.0)])
def test_volumes_and_weights_are_never_left_out(metric, expected):
    assert table().values(metric, empty="skip")[1, 0, 1] == expected


def test_nothing_is_left_out_by_guess_where_the_volume_of_the_truth_is_unknown():
    bare = table_of([Score("a", "t1c", "ET", "dice", 1.0)])
    assert bare.values("dice", empty="one").item() == 1.0
    with pytest.raises(UsageError, match="truth_ml"):
        bare.values("dice", empty="skip")


def test_a_metric_that_is_not_there_is_refused_with_those_that_are():
    with pytest.raises(UsageError, match=r"dice, truth_ml, weight_t1c; got 'dicee'") as caught:
        table().values("dicee")
    assert caught.value.code == "E_SCORES"


def test_an_unknown_convention_is_refused():
    with pytest.raises(ValueError, match=r"skip, one; got 'zero'"):
        table().values("dice", empty="zero")


def test_a_written_table_has_six_digits_and_empty_fields_for_what_is_not_defined(tmp_path):
    values = {
        "dice": 0.1,
        "precision": math.nan,
        "hd95_mm": 374.15238,
        "ece": 1 / 3,
        "truth_ml": 0.0,
    }
    scores = [Score("a", "t1c", "ET", metric, value) for metric, value in values.items()]
    table_of(scores).write(tmp_path / "s.csv")
    expected = ["dice,0.1", "precision,", "hd95_mm,374.152", "ece,0.333333", "truth_ml,0"]
    lines = (tmp_path / "s.csv").read_text(encoding="utf-8").splitlines()
    assert lines == [HEAD, *(f"a,t1c,ET,{row}" for row in expected)]


def test_a_table_is_read_back_as_it_was_written_and_written_again_to_the_same_bytes(tmp_path):
    name = 'Jäger, "two"\nlines'
    rows = [
        Score(name, "t1c", "ET", "dice", 0.123456789),
        Score(name, "t1c", "ET", "precision", math.nan),
    ]
    table_of(rows).write(tmp_path / "one.csv")
    found = ScoreTable.read(tmp_path / "one.csv", NAMES)
    found.write(tmp_path / "two.csv")
    assert found.cases == (name,)
    assert found.values("dice", empty="one").item() == 0.123457
    assert math.isnan(found.values("precision", empty="one").item())
    assert (tmp_path / "one.csv").read_bytes() == (tmp_path / "two.csv").read_bytes()


def test_a_table_that_went_through_a_spreadsheet_is_read(tmp_path):
    (tmp_path / "s.csv").write_text(
        "\ufeffvalue,case,note,set,region,metric\r\n0.5,a,fine,t1c,ET,dice\r\n", "utf-8"
    )
    assert ScoreTable.read(tmp_path / "s.csv", NAMES).values("dice", empty="one").item() == 0.5


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("case,set,region,value\na,t1c,ET,0.5\n", "columns must be case,set,region,metric,value"),
        ("", "an empty file"),
        (f"{HEAD}\n", "at least one row"),
        (f"{HEAD}\na,t1c,XT,dice,0.5\n", "region must be one of TC, WT, ET; got 'XT'"),
        (f"{HEAD}\na,t2f+t1c,ET,dice,0.5\n", r"got 't2f\+t1c'"),
        (f"{HEAD}\na,,ET,dice,0.5\n", "set must be"),
        (f"{HEAD}\na,t1c,ET,dice,0.5\nb,t1c,ET,dice,good\n", "got 'good' in line 3"),
        (f"{HEAD}\na,t1c,ET,dice,inf\n", "finite"),
        (f"{HEAD}\na,t1c,ET,dice,0.5\na,t1c,ET,dice,0.5\n", "a, t1c, ET, dice twice"),
        (
            f"{HEAD}\na,t1c,ET,dice\n",
            "line 2 must have as many fields as the first line; got fewer",
        ),
        (
            f"{HEAD}\na,t1c,ET,dice,0,5\n",
            "line 2 must have as many fields as the first line; got more",
        ),
        ("\0", "columns must be"),
    ],
)
def test_a_file_that_is_no_table_of_scores_is_refused_with_its_name_and_what_is_wrong(
    tmp_path, text, words
):
    (tmp_path / "scores.csv").write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=words) as caught:
        ScoreTable.read(tmp_path / "scores.csv", NAMES)
    assert caught.value.code == "E_SCORES"
    assert str(tmp_path / "scores.csv") in str(caught.value)


def test_bytes_that_are_no_text_are_refused(tmp_path):
    (tmp_path / "scores.csv").write_bytes(b"case,set\xff\xfe")
    with pytest.raises(UsageError, match=r"scores\.csv"):
        ScoreTable.read(tmp_path / "scores.csv", NAMES)


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(UsageError, match=r"none\.csv"):
        ScoreTable.read(tmp_path / "none.csv", NAMES)


def test_a_table_that_cannot_be_written_is_told(tmp_path):
    with pytest.raises(OutputError):
        table().write(tmp_path / "nowhere" / "scores.csv")


def test_sets_and_regions_are_those_of_the_task():
    names = TaskNames.of(LUNG)
    scores = [Score("a", name, "N", "dice", 0.5) for name in reversed(names.all_sets)]
    table = ScoreTable(scores, names)
    assert table.sets == ("ct", "pet", "adc", "ct+pet", "ct+adc", "pet+adc", "ct+pet+adc", GIVEN)
    assert table.regions == ("N",)
    with pytest.raises(UsageError, match=r"such as ct\+adc, or given; got 't1c'.*ct, pet, adc"):
        ScoreTable([Score("a", "t1c", "N", "dice", 0.5)], names)
    with pytest.raises(UsageError, match="region must be one of N; got 'WT'"):
        ScoreTable([Score("a", "ct", "WT", "dice", 0.5)], names)
