import json

import numpy as np
import pytest

from bundle.classification.judging.class_scores import ClassScores, holds_classes
from bundle.classification.judging.compared_runs import compare_runs, markdown_runs
from bundle.errors import UsageError
from tests.classification.judging.scores import four_cases
from tests.test_bad_input import call


def all_right() -> ClassScores:
    scores = four_cases()
    truth = np.where(scores.is_known, scores.truth[:, None], "")
    return ClassScores(**{**vars(scores), "predicted": truth})


def test_each_run_is_compared_with_the_first_on_every_set():
    rows = compare_runs({"first": four_cases(), "second": all_right()}, seed=0)
    assert [(row.modality_set, row.run) for row in rows][:3] == [
        ("image", "first"),
        ("image", "second"),
        ("audio", "first"),
    ]
    image = rows[1]
    assert image.accuracy.mean == 1
    assert image.difference.mean == pytest.approx(0.25)
    assert (image.test.only_a, image.test.only_b) == (1, 0)
    assert rows[0].difference is None
    assert "| image | second | 100.00 (100.00 to 100.00) | +25.00 (" in markdown_runs(rows)


def test_the_command_compares_runs_of_classes(tmp_path):
    for name, scores in (("one", four_cases()), ("two", all_right())):
        (tmp_path / name).mkdir()
        scores.write(tmp_path / name / "scores.csv")
    done = call("compare", tmp_path / "one", tmp_path / "two", "-o", tmp_path / "out")
    assert done.exit_code == 0, done.output
    assert "McNemar" in done.output
    facts = json.loads((tmp_path / "out" / "comparison.json").read_text())
    assert [row["set"] for row in facts] == ["image"] * 2 + ["audio"] * 2 + ["image+audio"] * 2
    assert "100.00" in (tmp_path / "out" / "comparison.tex").read_text()
    refused = call("compare", tmp_path / "one", tmp_path / "two", "--metric", "dice")
    assert (refused.exit_code, "must be accuracy; got dice" in refused.output) == (2, True)


def test_a_run_of_other_cases_is_refused():
    other = ClassScores(**{**vars(four_cases()), "cases": ("m0", "m1", "m2", "m3")})
    with pytest.raises(UsageError, match="same cases"):
        compare_runs({"first": four_cases(), "second": other}, seed=0)


@pytest.mark.parametrize("content", ["", "case,set,region,metric,value\n", "\xff"])
def test_another_table_does_not_hold_classes(tmp_path, content):
    (tmp_path / "scores.csv").write_bytes(content.encode("latin-1"))
    assert not holds_classes(tmp_path / "scores.csv")
    assert not holds_classes(tmp_path / "none.csv")
