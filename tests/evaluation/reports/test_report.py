import csv
import io
import json
import re

import numpy as np
import pytest

from bundle.errors import UsageError
from bundle.evaluation.case_slices import CaseSlice
from bundle.evaluation.judge import JudgedCase
from bundle.evaluation.probability_histogram import ProbabilityHistogram
from bundle.evaluation.reports.report import N_WORST, EvaluationReport
from bundle.evaluation.score_table import Score, ScoreTable
from bundle.evaluation.statistics.summary import Summary
from tests.evaluation.sample_scores import NAMES, REGIONS

SETS = ("t1c", "t1c+t2f")
FILES = {
    "scores.csv",
    "reliability.csv",
    "calibration.json",
    "probabilities.npz",
    "summary.json",
    "report.md",
    "tables.tex",
}
PICTURES = {"dice_per_set.png", "worst_cases.png", "reliability.png", "gate_weights.png"}


def judged(case: str, dice: float, *, sets=SETS, bare=False) -> JudgedCase:
    values = {"dice": dice, "truth_ml": 5.0, "hd95_mm": 3.0} | (
        {} if bare else {"weight_t1c": 0.5, "ece": 0.1}
    )
    scores = tuple(
        Score(case, s, r, metric, value)
        for s in sets
        for r in REGIONS
        for metric, value in values.items()
    )
    probabilities = np.array([0.1, 0.7, 0.9])
    histogram = ProbabilityHistogram.of(probabilities, probabilities > 0.5, np.ones(3, bool))
    histograms = {} if bare else {(s, r): histogram for s in sets for r in REGIONS}
    shown = np.zeros((3, 6, 5), bool)
    shown[:, 2:4, 1:3] = True
    return JudgedCase(
        case,
        scores,
        histograms,
        CaseSlice(case, dice, np.zeros((6, 5), np.float32), ~shown, shown, (5.0, 6.0)),
    )


def report(folder, *cases: JudgedCase, **options) -> Summary:
    made = EvaluationReport(folder, **options)
    for case in cases:
        made.add(case)
    return made.write()


def rows(path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_report_has_its_files_and_its_markdown_shows_every_picture(tmp_path):
    report(tmp_path, judged("a", 0.5), judged("b", 0.7))
    assert {path.name for path in tmp_path.iterdir()} == FILES | PICTURES
    text = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert set(re.findall(r"\((\w+\.png)\)", text)) == PICTURES
    assert "2 cases" in text
    assert text.count("●") >= 3


def test_the_summary_is_plain_json_with_the_means_and_what_made_them(tmp_path):
    given = report(
        tmp_path, judged("a", 0.5), judged("b", 0.7), facts={"weights_sha256": "abc"}, empty="one"
    )
    summary = json.loads((tmp_path / "summary.json").read_text(encoding="utf-8"))
    assert summary | given.to_json() == summary
    assert summary["means"]["dice"]["t1c"]["WT"]["mean"] == pytest.approx(0.6)
    assert (summary["n_cases"], summary["empty"], summary["weights_sha256"]) == (2, "one", "abc")
    assert "torch" in summary["versions"]


def test_voxels_of_all_cases_are_counted_together(tmp_path):
    report(tmp_path, judged("a", 0.5), judged("b", 0.7), judged("c", 0.1))
    counted = rows(tmp_path / "reliability.csv")
    assert {row["set"] for row in counted} == set(SETS)
    assert (
        sum(
            int(row["n_voxels"]) for row in counted if row["set"] == "t1c" and row["region"] == "WT"
        )
        == 9
    )


def test_scores_are_read_back_as_they_were(tmp_path):
    report(tmp_path, judged("a", 0.123456), judged("b", 0.7))
    table = ScoreTable.read(tmp_path / "scores.csv", NAMES)
    assert table.cases == ("a", "b") or list(table.cases) == ["a", "b"]
    assert table.values("dice", empty="one")[0, 0, 0] == pytest.approx(0.123456)


def test_segmentations_of_which_no_probability_is_known_have_no_calibration(tmp_path):
    report(tmp_path, judged("a", 0.5, sets=("given",), bare=True))
    assert {path.name for path in tmp_path.iterdir()} == FILES - {
        "calibration.json",
        "probabilities.npz",
    } | {
        "dice_per_set.png",
        "worst_cases.png",
    }
    assert rows(tmp_path / "reliability.csv") == []
    assert "Expected calibration" not in (tmp_path / "report.md").read_text(encoding="utf-8")


def test_a_later_evaluation_in_the_same_folder_leaves_no_calibration_of_the_first(tmp_path):
    report(tmp_path, judged("a", 0.5))
    assert (tmp_path / "probabilities.npz").is_file()
    report(tmp_path, judged("b", 0.5, sets=("given",), bare=True))
    assert not {"calibration.json", "probabilities.npz"} & {
        path.name for path in tmp_path.iterdir()
    }


def test_only_the_worst_cases_are_kept_for_the_picture():
    made = EvaluationReport("unused")
    for number in range(2 * N_WORST):
        made.add(judged(str(number), dice=1 - number / 100))
    assert [kept.case for kept in made._worst] == [str(2 * N_WORST - 1 - n) for n in range(N_WORST)]


def test_the_same_cases_give_the_same_bytes(tmp_path):
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        report(tmp_path / folder, judged("a", 0.5), judged("b", 0.7))
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes(), path.name


def test_the_order_of_the_cases_changes_no_byte_of_a_report(tmp_path):
    few = judged("a", 0.5, sets=SETS[:1])
    cases = [few, *(judged(name, 0.7) for name in "bcdefgh")]
    for folder, order in {"one": cases, "two": reversed(cases)}.items():
        (tmp_path / folder).mkdir()
        report(tmp_path / folder, *order)
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes(), path.name


def test_a_report_of_nothing_is_refused(tmp_path):
    with pytest.raises(UsageError):
        report(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_joined_reports_are_the_report_of_all_their_cases(tmp_path):
    cases = [judged(name, 0.25 + number / 16) for number, name in enumerate("abcdefgh")]
    cases[0] = judged("a", 0.5, sets=SETS[:1])
    for folder, part in {"whole": cases, "one": cases[:3], "two": cases[3:]}.items():
        (tmp_path / folder).mkdir()
        report(tmp_path / folder, *part)
    (tmp_path / "joined").mkdir()
    joined = EvaluationReport(tmp_path / "joined")
    for folder in ("two", "one"):
        joined.join(tmp_path / folder)
    joined.write()
    for name in FILES - {"report.md"}:
        same = (tmp_path / "joined" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
        assert same, name
    assert not (tmp_path / "joined" / "worst_cases.png").exists()
    assert "worst_cases" not in (tmp_path / "joined" / "report.md").read_text(encoding="utf-8")
    with pytest.raises(UsageError, match="got a twice"):
        joined.join(tmp_path / "one")


@pytest.mark.parametrize("damage", ["other", "empty", "cut", "bit", "array"])
def test_what_is_no_file_of_probabilities_is_refused_when_reports_are_joined(tmp_path, damage):
    report(tmp_path, judged("a", 0.5), judged("b", 0.7))
    path = tmp_path / "probabilities.npz"
    whole = path.read_bytes()
    middle = whole.index(b"bins") + 60
    array = io.BytesIO()
    np.save(array, np.zeros(3))
    damaged = {
        "other": b"no archive",
        "empty": b"",
        "cut": whole[: len(whole) // 2],
        "bit": whole[:middle] + bytes([whole[middle] ^ 255]) + whole[middle + 1 :],
        "array": array.getvalue(),
    }
    path.write_bytes(damaged[damage])
    with pytest.raises(UsageError, match=r"probabilities\.npz must be written by simmlm evaluate"):
        EvaluationReport(tmp_path / "joined").join(tmp_path)


def test_reports_of_which_only_some_know_probabilities_are_not_joined(tmp_path):
    for folder, case, bare in (("one", "a", False), ("two", "b", True)):
        (tmp_path / folder).mkdir()
        report(tmp_path / folder, judged(case, 0.5, sets=("t1c",), bare=bare))
    for order in (("one", "two"), ("two", "one")):
        joined = EvaluationReport(tmp_path / "joined")
        joined.join(tmp_path / order[0])
        with pytest.raises(UsageError, match=f"{order[1]} must have probabilities"):
            joined.join(tmp_path / order[1])
