"""The commands that judge and compare, as a user meets them."""

import json
import shutil

import pytest
from typer.testing import CliRunner

from bundle.cli import app
from bundle.commands.options import Numbering, TruthNumbering
from bundle.evaluation.score_table import Score, ScoreTable
from bundle.regions import CONVENTIONS, REGIONS
from bundle.training.cases import labelled_cases
from tests.test_bad_input import options


def call(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def theirs(phantom_folder, tmp_path):
    """Somebody's segmentations of two exams: the truth."""
    (tmp_path / "theirs").mkdir()
    for case in labelled_cases(phantom_folder):
        shutil.copy(case["label"], tmp_path / "theirs" / f"{case['case_id']}.nii.gz")
    return tmp_path / "theirs"


def write_run(folder, *dice: float, cases="abcdef"):
    rows = [
        Score(case, "t1c", region, metric, value)
        for case, found in zip(cases, dice, strict=False)
        for region in REGIONS
        for metric, value in (("dice", found), ("truth_ml", 2.0))
    ]
    folder.mkdir(parents=True)
    ScoreTable(rows).write(folder / "scores.csv")
    return folder


def test_a_network_is_judged_and_the_report_is_named(phantom_folder, tiny_settings, tmp_path):
    result = call("evaluate", "--data", phantom_folder, "--out", tmp_path / "out", *options(tiny_settings))
    assert result.exit_code == 0, result.output
    assert f"2 cases: 2 judged, 0 failed. Report: {tmp_path / 'out' / 'report.md'}" in result.output
    assert (tmp_path / "out" / "report.md").is_file()


def test_segmentations_are_judged_and_one_part_of_a_split_alone_where_asked_for(phantom_folder, theirs, tmp_path):
    done = call("split", "--data", phantom_folder, "--out", tmp_path / "s.json", "--validation", 0.5, "--test", 0)
    assert done.exit_code == 0, done.output
    chosen = ["--split", tmp_path / "s.json", "--part", "validation"]
    result = call("evaluate", "--data", phantom_folder, "--out", tmp_path / "o", "--predictions", theirs, *chosen)
    assert result.exit_code == 0, result.output
    assert "1 cases: 1 judged" in result.output


def test_a_case_that_fails_gives_status_1_and_its_reason(phantom_folder, theirs, tmp_path):
    next(theirs.iterdir()).unlink()
    result = call("evaluate", "--data", phantom_folder, "--out", tmp_path / "out", "--predictions", theirs)
    assert result.exit_code == 1
    assert "E_MISSING" in (tmp_path / "out" / "cases.csv").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (["--predictions", "theirs", "--checkpoint", "model.pt"], "--checkpoint is for a network"),
        (["--predictions", "nowhere"], "nowhere"),
        (["--labels", "brats1999", "--predictions", "theirs"], "brats1999"),
        (["--prediction-labels", "brats1999", "--predictions", "theirs"], "brats1999"),
        (["--part", "test", "--split", "none.json", "--predictions", "theirs"], "none.json"),
        (["--data", "nowhere"], "nowhere"),
        (["--overlay", "nonsense"], "nonsense"),
    ],
)
def test_a_wrong_request_is_refused_with_words_of_what_was_wrong(
    phantom_folder, theirs, tmp_path, monkeypatch, wrong, words
):
    monkeypatch.chdir(tmp_path)
    result = call("evaluate", "--data", phantom_folder, "--out", "out", *wrong)
    assert result.exit_code == 2
    assert words in result.output
    assert "Traceback" not in result.output


def test_runs_are_tabled_side_by_side_and_written_in_three_forms(tmp_path):
    write_run(tmp_path / "a", 0.5, 0.6, 0.7, 0.5, 0.6, 0.7)
    write_run(tmp_path / "b", 0.6, 0.8, 0.8, 0.6, 0.7, 0.9)
    result = call("compare", tmp_path / "a", tmp_path / "b", "--out", tmp_path / "c")
    assert result.exit_code == 0, result.output
    assert {path.name for path in (tmp_path / "c").iterdir()} == {f"comparison.{e}" for e in ("json", "md", "tex")}
    found = json.loads((tmp_path / "c" / "comparison.json").read_text(encoding="utf-8"))
    difference = found["mean"]["WT"]["b"]["difference"]
    assert difference["mean"] == pytest.approx(0.8 / 6)
    assert difference["p"] == pytest.approx(2 / 2**6)
    assert result.output.strip() == (tmp_path / "c" / "comparison.md").read_text(encoding="utf-8").strip()


def test_runs_of_the_same_name_are_told_apart_by_their_paths(tmp_path):
    runs = [write_run(tmp_path / seed / "judged", 0.5, 0.6) for seed in ("one", "two")]
    result = call("compare", *runs)
    assert result.exit_code == 0, result.output
    assert all(str(run).replace("_", "") in result.output.replace("\\", "").replace("_", "") for run in runs)


def test_one_set_of_a_network_stands_beside_label_maps_of_unknown_modalities(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_run(tmp_path / "net", 0.5, 0.6, 0.7, 0.5, 0.6, 0.7)
    theirs = ScoreTable.read(tmp_path / "net" / "scores.csv")
    chosen = theirs.sets[0]
    (tmp_path / "theirs").mkdir()
    theirs.as_given(chosen).write(tmp_path / "theirs" / "scores.csv")
    assert "E_SCORES" in call("compare", "net", "theirs").output
    result = call("compare", f"net@{chosen}", "theirs", "--out", "c")
    assert result.exit_code == 0, result.output
    found = json.loads((tmp_path / "c" / "comparison.json").read_text(encoding="utf-8"))
    assert found["sets"] == ["given"]
    assert {run["difference"]["mean"] for run in found["mean"]["WT"].values() if "difference" in run} == {0.0}


@pytest.mark.parametrize(
    ("runs", "words"),
    [
        (["a@t1n+nothing", "b"], "set must be one of"),
        (["nowhere@t1n", "b"], "nowhere"),
        (["a"], "at least two"),
        (["a", "a"], "once"),
        (["a", "nowhere"], "nowhere"),
        (["a", "other"], "E_SCORES"),
        (["a", "b", "--metric", "dicee"], "dicee"),
    ],
)
def test_runs_that_cannot_be_compared_are_refused(tmp_path, monkeypatch, runs, words):
    monkeypatch.chdir(tmp_path)
    write_run(tmp_path / "a", 0.5, 0.6)
    write_run(tmp_path / "b", 0.5, 0.6)
    write_run(tmp_path / "other", 0.5, 0.6, cases="xy")
    result = call("compare", *runs)
    assert result.exit_code == 2
    assert words in result.output


def test_the_numberings_to_choose_from_are_those_that_can_be_read():
    assert [one.value for one in Numbering] == sorted(CONVENTIONS)
    assert [one.value for one in TruthNumbering] == ["auto", *sorted(CONVENTIONS)]
