import json
import math

import numpy as np
import pytest

from bundle.errors import UsageError
from bundle.evaluation.score_table import Score, ScoreTable
from bundle.evaluation.statistics.summary import MEAN, Summary, mean_over_sets, summarise
from bundle.evaluation.task_names import GIVEN, TaskNames
from tests.evaluation.sample_scores import LUNG, NAMES, table_of


def scores(case: str, chosen: str, region: str = "ET", **values: float) -> list[Score]:
    return [
        Score(case, chosen, region, metric, value)
        for metric, value in {"truth_ml": 1.0, **values}.items()
    ]


def table() -> ScoreTable:
    """Case a has two sets, b one; c has one and no ET, of which something was predicted."""
    return table_of(
        scores("a", "t1c", dice=0.25, predicted_ml=2.0, weight_t1c=1.0)
        + scores("a", "t1c+t2f", dice=0.5, predicted_ml=2.0, weight_t1c=0.5)
        + scores("b", "t1c", dice=0.875, predicted_ml=4.0, weight_t1c=1.0)
        + scores("c", "t1c", dice=0.0, predicted_ml=6.0, weight_t1c=1.0, truth_ml=0.0)
    )


def summarised(table: ScoreTable, **options) -> dict:
    """A summary as it is written."""
    return summarise(table, **options).to_json()


def dice(summary, name, what="means"):
    means = summary[what]["dice"] if what == "means" else summary[what]
    return means[name]["ET"]["mean"], means[name]["ET"]["n"]


def test_the_mean_is_that_of_the_sets_of_a_case_first_and_then_of_the_cases():
    summary = summarised(table())
    assert dice(summary, "t1c") == ((0.25 + 0.875) / 2, 2)
    assert dice(summary, "t1c+t2f") == (0.5, 1)
    assert dice(summary, MEAN) == ((0.375 + 0.875) / 2, 2)


@pytest.mark.parametrize(("empty", "other"), [("skip", "one"), ("one", "skip")])
def test_dice_is_told_under_both_conventions(empty, other):
    ours, theirs = summarised(table(), empty=empty), summarised(table(), empty=other)
    assert ours["empty"] == empty
    assert ours["dice_other_convention"] == theirs["means"]["dice"]
    assert dice({"means": {"dice": ours["dice_other_convention"]}}, MEAN) == dice(theirs, MEAN)
    assert dice(ours, MEAN) != dice(theirs, MEAN)


@pytest.mark.parametrize(("metric", "mean"), [("predicted_ml", 4.0), ("truth_ml", 2 / 3)])
def test_of_volumes_no_case_is_left_out(metric, mean):
    found = summarised(table(), empty="skip")["means"][metric][MEAN]["ET"]
    assert (found["mean"], found["n"]) == (pytest.approx(mean), 3)


def test_every_metric_has_all_sets_and_the_mean_for_all_regions():
    summary = summarised(table())
    assert (summary["n_cases"], summary["sets"], summary["regions"]) == (
        3,
        ["t1c", "t1c+t2f"],
        ["ET"],
    )
    assert set(summary["means"]) == {"truth_ml", "dice", "predicted_ml", "weight_t1c"}
    for means in [*summary["means"].values(), summary["dice_other_convention"]]:
        assert list(means) == ["t1c", "t1c+t2f", MEAN]
        assert all(
            list(regions["ET"]) == ["mean", "low", "high", "n"] for regions in means.values()
        )


def test_pairs_and_correlations_are_told_by_region():
    summary = summarised(table(), empty="skip")
    assert summary["counter_intuitive"]["ET"] == {
        "rate": 0.0,
        "low": None,
        "high": None,
        "n_pairs": 1,
    }
    undefined = {"r": None, "low": None, "high": None, "n": 2}
    assert summary["weights_and_performance"] == {"t1c": {"ET": {"dice": undefined}}}


def test_a_summary_is_json_without_nan():
    rows = scores("a", "t1c", dice=math.nan, precision=math.nan)
    summary = summarised(table_of(rows))
    assert json.loads(json.dumps(summary, allow_nan=False)) == summary
    assert summary["means"]["precision"]["t1c"]["ET"] == {
        "mean": None,
        "low": None,
        "high": None,
        "n": 0,
    }


def test_segmentations_of_unknown_origin_have_means_and_neither_pairs_nor_correlations():
    summary = summarised(table_of(scores("a", GIVEN, dice=0.5) + scores("b", GIVEN, dice=0.75)))
    assert summary["sets"] == [GIVEN]
    assert summary["means"]["dice"][GIVEN] == summary["means"]["dice"][MEAN]
    assert summary["counter_intuitive"]["ET"] == {
        "rate": None,
        "low": None,
        "high": None,
        "n_pairs": 0,
    }
    assert summary["weights_and_performance"] == {}


def test_the_seed_alone_decides_a_summary():
    rows = [row for case in "abcdefg" for row in scores(case, "t1c", dice=ord(case) / 110)]
    assert summarised(table_of(rows), seed=1) == summarised(table_of(rows), seed=1)
    assert summarised(table_of(rows), seed=1) != summarised(table_of(rows), seed=2)


def test_a_case_without_a_value_in_any_set_has_no_mean_over_sets():
    values = np.array([[[0.25, math.nan], [0.75, math.nan]], [[math.nan, 0.5], [0.125, math.nan]]])
    np.testing.assert_array_equal(mean_over_sets(values), [[0.5, math.nan], [0.125, 0.5]])


@pytest.mark.parametrize(
    "table",
    [
        table(),
        table_of(scores("a", GIVEN, dice=0.5)),
        table_of(scores("a", "t1c", precision=math.nan, ece=0.25)),
    ],
    ids=["networks", "label maps", "no Dice"],
)
def test_a_summary_comes_back_from_json(table):
    """NaN is None in JSON, and no two NaN are equal: the JSON of both is compared."""
    written = summarised(table)
    found = Summary.from_json(json.loads(json.dumps(written)), TaskNames.of(LUNG))
    assert found.to_json() == written
    assert found.names == NAMES
    assert type(found.means["truth_ml"][MEAN]["ET"].n) is int


def test_a_summary_from_before_tasks_were_stored_has_the_names_that_are_meant_then():
    written = summarised(table())
    del written["task"]
    assert Summary.from_json(written, NAMES).names is NAMES
    assert Summary.from_json(written | {"versions": {}}, NAMES).n_cases == 3


@pytest.mark.parametrize("change", [{"means": {}}, {"means": 3}, {"task": {}}, {"n_cases": "?"}])
def test_what_is_no_summary_is_refused(change):
    written = summarised(table()) | change
    if change == {"means": {}}:
        del written["means"]
    with pytest.raises(UsageError, match="must be one that `simmlm evaluate` wrote") as caught:
        Summary.from_json(written, NAMES)
    assert caught.value.code == "E_SCORES"
