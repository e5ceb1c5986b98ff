import pytest

from bundle.evaluation.score_table import Score, ScoreTable
from bundle.evaluation.statistics.gains import gains_of_one_more
from bundle.evaluation.task_names import TaskNames
from bundle.tasks.default import DEFAULT_TASK

NAMES = TaskNames.of(DEFAULT_TASK)
DICE = {"t2f": 0.5, "t1c+t2f": 0.8, "t1c": 0.6, "t1n+t1c+t2f": 0.7}


def table(n_cases=5, *, empty=()):
    scores = []
    for case in range(n_cases):
        for modality_set, dice in DICE.items():
            for region in NAMES.regions:
                key = (f"case{case}", modality_set, region)
                scores += [
                    Score(*key, "dice", dice + case / 100 * len(modality_set)),
                    Score(*key, "truth_ml", 0.0 if (case, region) in empty else 1.0),
                ]
    return ScoreTable(scores, NAMES)


def test_a_gain_is_the_mean_of_what_one_more_modality_changed():
    gains = gains_of_one_more(table())
    assert {name: list(of_set) for name, of_set in gains.items()} == {
        "t1c": ["t2f"],
        "t2f": ["t1c"],
        "t1c+t2f": ["t1n"],
    }
    found = gains["t2f"]["t1c"]["ET"]
    assert found["mean"] == pytest.approx(0.3 + 0.02 * 4)
    assert found["low"] < found["mean"] < found["high"]
    assert found["n"] == 5
    assert gains["t1c+t2f"]["t1n"]["WT"]["mean"] < 0


def test_cases_without_a_region_say_nothing_of_it():
    empty = {(case, "ET") for case in range(5)} | {(0, "TC")}
    gains = gains_of_one_more(table(empty=empty))
    assert set(gains["t2f"]["t1c"]) == {"TC", "WT"}
    assert gains["t2f"]["t1c"]["TC"]["n"] == 4
