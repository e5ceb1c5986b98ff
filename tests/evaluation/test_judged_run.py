import json

import pytest

from bundle.errors import UsageError
from bundle.evaluation.judged_run import read_scores, read_summary
from bundle.evaluation.score_table import Score, ScoreTable
from bundle.evaluation.statistics.summary import summarise
from bundle.evaluation.task_names import TaskNames
from tests.evaluation.sample_scores import LUNG, NAMES, rising_run

LUNG_SCORES = [Score("a", "ct+pet", "N", metric, 0.5) for metric in ("dice", "truth_ml")]


def write(folder, table: ScoreTable, **changes) -> None:
    table.write(folder / "scores.csv")
    facts = {**summarise(table).to_json(), **changes}
    (folder / "summary.json").write_text(json.dumps(facts), encoding="utf-8")


def test_a_run_is_read_with_the_names_of_its_own_task(tmp_path):
    write(tmp_path, ScoreTable(LUNG_SCORES, TaskNames.of(LUNG)))
    assert read_scores(tmp_path).names == TaskNames.of(LUNG)
    assert read_scores(tmp_path).sets == ("ct+pet",)
    assert read_summary(tmp_path).names == TaskNames.of(LUNG)


def test_a_run_from_before_tasks_were_stored_is_one_of_the_default_task(tmp_path):
    write(tmp_path, rising_run())
    facts = json.loads((tmp_path / "summary.json").read_text(encoding="utf-8"))
    del facts["task"]
    (tmp_path / "summary.json").write_text(json.dumps(facts), encoding="utf-8")
    assert read_scores(tmp_path).names == NAMES
    assert read_summary(tmp_path).names == NAMES


def test_scores_without_a_summary_are_of_the_default_task(tmp_path):
    rising_run().write(tmp_path / "scores.csv")
    assert read_scores(tmp_path).names == NAMES
    with pytest.raises(UsageError, match=r"summary\.json"):
        read_summary(tmp_path)


def test_scores_that_do_not_fit_the_task_of_their_summary_are_refused(tmp_path):
    write(tmp_path, rising_run(), task=TaskNames.of(LUNG).to_json())
    with pytest.raises(UsageError, match="Name them in the order ct, pet, adc"):
        read_scores(tmp_path)


@pytest.mark.parametrize("text", ['{"task": 3}', '{"task": {"name": "x"}}', "[]", "{"])
def test_a_file_that_is_no_summary_is_refused_by_name(tmp_path, text):
    rising_run().write(tmp_path / "scores.csv")
    (tmp_path / "summary.json").write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=r"summary\.json"):
        read_scores(tmp_path)
