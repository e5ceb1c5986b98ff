import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from bundle.classification.judging.class_report import ClassReport, check_cases
from bundle.classification.judging.class_scores import ClassScores
from bundle.errors import UsageError
from bundle.tasks.class_task import load_class_task
from tests.classification.small_cases import CLASSES, small_cases


def predicted(tmp_path, n: int = 12) -> ClassReport:
    """A report on a network that the image tells two thirds of the truth, and the sound nothing."""
    cases = small_cases(n)
    report = ClassReport(tmp_path / "out", cases, load_class_task("avmnist"), facts={"part": "x"})
    right = torch.nn.functional.one_hot(cases.labels, len(CLASSES)).float()
    even = torch.full_like(right, 1 / 3)
    probabilities = torch.stack([0.6 * right + 0.4 / 3, even, 0.3 * right + 0.7 / 3], dim=1)
    weights = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.5, 0.5]]).repeat(n, 1, 1)
    for part in (slice(0, 5), slice(5, n)):  # as batches come
        output = {"pred": {"probabilities": probabilities[part], "weights": weights[part]}}
        report._collect(SimpleNamespace(state=SimpleNamespace(output=output)))
    return report


def test_the_report_says_what_was_predicted(tmp_path):
    predicted(tmp_path).write()
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["n_cases"] == 12
    assert summary["part"] == "x"
    assert summary["means"]["accuracy"]["image"]["mean"] == 1
    assert summary["means"]["accuracy"]["audio"]["mean"] == pytest.approx(1 / 3)
    assert summary["counter_intuitive"]["confidence_falls"]["rate"] == 0.5
    assert summary["weights"]["image+audio"] == {"image": 0.5, "audio": 0.5}
    text = (tmp_path / "out" / "report.md").read_text()
    assert "| Image | 100.00 (100.00 to 100.00) |" in text
    assert "| Image+Sound |" in text


def test_the_table_has_each_case_and_set_in_the_order_of_the_cases(tmp_path):
    predicted(tmp_path).write()
    scores = ClassScores.read(tmp_path / "out" / "scores.csv")
    assert scores.cases == small_cases().case_ids
    assert scores.truth.tolist() == [CLASSES[label] for label in small_cases().labels.tolist()]
    assert np.allclose(scores.probability[:, 0], 0.6 + 0.4 / 3)


def test_a_set_that_no_case_has_is_left_out(tmp_path):
    report = predicted(tmp_path)
    for batch in report._predicted:
        batch["probabilities"][:, 1:] = torch.nan
    report.write()
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert list(summary["means"]["accuracy"]) == ["image"]


def test_cases_of_other_classes_are_refused_with_their_names():
    with pytest.raises(UsageError, match="differing in down") as caught:
        check_cases(small_cases(), (*CLASSES, "down"))
    assert caught.value.code == "E_CLASSES"
    with pytest.raises(UsageError, match="another order"):
        check_cases(small_cases(), CLASSES[::-1])
    cases = small_cases()
    assert check_cases(cases, CLASSES) is cases
