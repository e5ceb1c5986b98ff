"""The commands that judge and compare, as a user meets them."""

import json
import shutil

import pytest
import torch
from typer.testing import CliRunner

from bundle.cli.app import app
from bundle.datasets.labelled_cases import labelled_cases
from bundle.evaluation.judged_run import read_scores
from bundle.evaluation.score_table import Score
from bundle.tasks.default import DEFAULT_TASK
from bundle.weights.checkpoints import export_state, file_sha256
from tests.datasets.sample_datasets import rows_of, stripes, write_json
from tests.evaluation.sample_scores import REGIONS, table_of
from tests.test_bad_input import options
from tests.volumes.nifti_samples import save


def call(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def theirs(phantom_folder, tmp_path):
    """Somebody's segmentations of two cases: the truth."""
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
    table_of(rows).write(folder / "scores.csv")
    return folder


@pytest.mark.slow
def test_a_network_is_judged_and_the_report_is_named(phantom_folder, tiny_settings, tmp_path):
    result = call(
        "evaluate", "--data", phantom_folder, "--out", tmp_path / "out", *options(tiny_settings)
    )
    assert result.exit_code == 0, result.output
    assert f"2 cases: 2 judged, 0 failed. Report: {tmp_path / 'out' / 'report.md'}" in result.output
    assert (tmp_path / "out" / "report.md").is_file()


@pytest.mark.slow
def test_a_calibration_comes_from_an_evaluation_and_changes_doubts_but_no_labels(
    phantom_folder, tiny_settings, weights, tmp_path
):
    given = options({**tiny_settings, "checkpoint": weights})

    def segment(out, *more):
        done = call("segment", phantom_folder, "-o", tmp_path / out, *given, *more)
        assert done.exit_code == 0, done.output
        (path,) = (tmp_path / out).glob("*1-000/*.json")
        return json.loads(path.read_text(encoding="utf-8")), path.parent

    before, _ = segment("before")
    judged = call("evaluate", phantom_folder, "-o", tmp_path / "judged", *given)
    assert judged.exit_code == 0, judged.output
    done = call("calibrate", tmp_path / "judged", "--checkpoint", weights)
    assert done.exit_code == 0, done.output
    assert "2 cases. Each is judged by a fit to other cases" in done.output
    known = json.loads((tmp_path / "model.calibration.json").read_text(encoding="utf-8"))
    assert known["temperatures"]["WT"]["4"] != 1
    after, _ = segment("after")
    assert after["volumes_ml"] == before["volumes_ml"]
    assert after["settings"]["calibration"] != before["settings"]["calibration"] is None
    assert after["run"] != before["run"]
    plain, _ = segment("plain", "--set", "calibration=none")
    entropy = "mean_entropy_in_tumour"
    assert plain[entropy] == before[entropy] != after[entropy]
    again = call(
        "evaluate", phantom_folder, "-o", tmp_path / "again", *given, "--set", "calibration=auto"
    )
    assert again.exit_code == 0, again.output
    assert not (tmp_path / "again" / "calibration.json").exists()
    refused = call("calibrate", tmp_path / "again", "--checkpoint", weights)
    assert refused.exit_code == 78
    assert "E_CALIBRATION" in refused.output


@pytest.mark.slow
def test_the_folds_of_a_cross_validation_calibrate_the_weights_of_all_cases(
    phantom_folder, tiny_settings, weights, tmp_path
):
    network = torch.load(weights)
    other = tmp_path / "other" / "model.pt"
    other.parent.mkdir()
    export_state({**network, "gate.linear.bias": network["gate.linear.bias"] + 1}, other)
    folds = []
    for number, (case, used) in enumerate(
        zip(sorted(phantom_folder.iterdir()), (weights, other), strict=True)
    ):
        folds.append(tmp_path / f"fold{number}")
        given = options({**tiny_settings, "checkpoint": used})
        (tmp_path / f"cases{number}").mkdir()
        (tmp_path / f"cases{number}" / case.name).symlink_to(case)
        done = call("evaluate", tmp_path / f"cases{number}", "-o", folds[-1], *given)
        assert done.exit_code == 0, done.output
    done = call("join", *folds, "-o", tmp_path / "joined")
    assert done.exit_code == 0, done.output
    assert "2 cases of 2 evaluations" in done.output
    summary = json.loads((tmp_path / "joined" / "summary.json").read_text(encoding="utf-8"))
    assert (summary["n_cases"], summary.get("weights_sha256")) == (2, None)
    refused = call("calibrate", tmp_path / "joined", "--checkpoint", weights)
    assert refused.exit_code == 78
    assert "Judge these, or add --cross-validated" in refused.stderr
    done = call("calibrate", tmp_path / "joined", "--checkpoint", weights, "--cross-validated")
    assert done.exit_code == 0, done.output
    known = json.loads((tmp_path / "model.calibration.json").read_text(encoding="utf-8"))
    assert (known["weights_sha256"], known["n_cases"]) == (file_sha256(weights), 2)


def test_one_evaluation_or_one_case_twice_is_not_joined(tmp_path):
    write_run(tmp_path / "one", 0.5, 0.6)
    (tmp_path / "one" / "summary.json").write_text("{}")
    refused = call("join", tmp_path / "one", "-o", tmp_path / "out")
    assert refused.exit_code == 2
    assert "at least two; got 1" in refused.output
    refused = call("join", tmp_path / "one", tmp_path / "one", "-o", tmp_path / "out")
    assert refused.exit_code == 2
    assert "got a twice" in refused.output


def test_joining_loses_none_of_what_is_joined_and_says_what_is_no_evaluation(tmp_path):
    one = write_run(tmp_path / "one", 0.5, 0.6, cases="ab")
    other = write_run(tmp_path / "other", 0.5, 0.6, cases="cd")
    for folder in (one, other):
        (folder / "summary.json").write_text("{}")
    before = (one / "scores.csv").read_bytes()
    refused = call("join", one, other, "-o", tmp_path / "other" / ".." / "one")
    assert refused.exit_code == 2
    assert "--out must be another folder" in refused.stderr
    assert (one / "scores.csv").read_bytes() == before
    assert call("join", one, other, "-o", tmp_path / "out", "--seed", -1).exit_code == 2
    for content, words in (
        ("[1]", "list"),
        (json.dumps({"task": {"name": "lung"}}), "one of lung. Name its task with --task"),
    ):
        (other / "summary.json").write_text(content)
        refused = call("join", one, other, "-o", tmp_path / "out")
        assert refused.exit_code == 2
        assert "E_SCORES" in refused.stderr
        assert words in refused.stderr


def test_segmentations_are_judged_and_one_part_of_a_split_alone_where_asked_for(
    phantom_folder, theirs, tmp_path
):
    done = call(
        "split",
        "--data",
        phantom_folder,
        "--out",
        tmp_path / "s.json",
        "--validation",
        0.5,
        "--test",
        0,
    )
    assert done.exit_code == 0, done.output
    chosen = ["--split", tmp_path / "s.json", "--part", "validation"]
    result = call(
        "evaluate",
        "--data",
        phantom_folder,
        "--out",
        tmp_path / "o",
        "--predictions",
        theirs,
        *chosen,
    )
    assert result.exit_code == 0, result.output
    assert "1 cases: 1 judged" in result.output


@pytest.mark.slow
def test_truth_without_images_is_judged_alike_in_every_form(phantom_folder, theirs, tmp_path):
    whole = call(
        "evaluate", "--data", phantom_folder, "--out", tmp_path / "whole", "--predictions", theirs
    )
    assert whole.exit_code == 0, whole.output
    for case in labelled_cases(phantom_folder):
        for place in (tmp_path / "flat", tmp_path / "folders" / case["case_id"]):
            place.mkdir(parents=True, exist_ok=True)
            shutil.copy(case["label"], place)
    rows = [f"{case['case_id']},{case['label']}" for case in labelled_cases(phantom_folder)]
    (tmp_path / "list.csv").write_text("\n".join(["case_id,label", *rows]), encoding="utf-8")
    for form in ("flat", "folders", "list.csv"):
        result = call(
            "evaluate",
            "--data",
            tmp_path / form,
            "--out",
            tmp_path / f"o-{form}",
            "--predictions",
            theirs,
        )
        assert result.exit_code == 0, result.output
        scores = [(tmp_path / out / "scores.csv").read_text() for out in ("whole", f"o-{form}")]
        assert scores[0] == scores[1]


def test_empty_truth_and_prediction_without_images_are_judged(tmp_path):
    data, theirs = (tmp_path / name for name in ("truth", "theirs"))
    for folder in (data, theirs):
        folder.mkdir()
        save(folder / "a-seg.nii.gz", data=stripes(0))
    result = call("evaluate", "--data", data, "--out", tmp_path / "out", "--predictions", theirs)
    assert result.exit_code == 0, result.output


@pytest.mark.slow
@pytest.mark.parametrize("how", ["predictions", "network"])
def test_an_odd_case_is_listed_as_failed_and_the_others_are_judged(
    phantom_folder, theirs, tiny_settings, tmp_path, how
):
    data = shutil.copytree(phantom_folder, tmp_path / "data")
    odd, good = sorted(path.name for path in data.iterdir())
    shutil.copy(data / good / f"{good}-t1c.nii.gz", data / odd)
    more = ["--predictions", theirs] if how == "predictions" else options(tiny_settings)
    result = call("evaluate", "--data", data, "--out", tmp_path / "out", *more)
    assert result.exit_code == 1, result.output
    assert "2 cases: 1 judged, 1 failed" in result.output
    rows = (tmp_path / "out" / "cases.csv").read_text(encoding="utf-8").splitlines()
    assert any(row.startswith(f"{odd},failed,") and "E_MIXED" in row for row in rows)
    assert read_scores(tmp_path / "out").cases == (good,)


def test_the_parts_of_a_list_can_be_judged_without_a_split(phantom_folder, theirs, tmp_path):
    data = shutil.copytree(phantom_folder, tmp_path / "data")
    rows = rows_of(data, tmp_path)
    listed = write_json(tmp_path / "list.json", {"training": rows[:1], "validation": rows[1:]})
    command = ["evaluate", "--data", listed, "--predictions", theirs]
    chosen = call(*command, "--out", tmp_path / "a", "--part", "validation")
    assert "1 cases: 1 judged" in chosen.output
    assert read_scores(tmp_path / "a").cases == (rows[1]["case_id"],)
    assert "2 cases: 2 judged" in call(*command, "--out", tmp_path / "b").output
    wrong = call(*command, "--out", tmp_path / "c", "--part", "test")
    assert wrong.exit_code == 2
    assert "training, validation" in wrong.output


def test_a_case_that_fails_gives_status_1_and_its_reason(phantom_folder, theirs, tmp_path):
    next(theirs.iterdir()).unlink()
    result = call(
        "evaluate", "--data", phantom_folder, "--out", tmp_path / "out", "--predictions", theirs
    )
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
    assert {path.name for path in (tmp_path / "c").iterdir()} == {
        f"comparison.{e}" for e in ("json", "md", "tex")
    }
    found = json.loads((tmp_path / "c" / "comparison.json").read_text(encoding="utf-8"))
    difference = found["mean"]["WT"]["b"]["difference"]
    assert difference["mean"] == pytest.approx(0.8 / 6)
    assert difference["p"] == pytest.approx(2 / 2**6)
    assert (
        result.output.strip()
        == (tmp_path / "c" / "comparison.md").read_text(encoding="utf-8").strip()
    )


def test_runs_of_the_same_name_are_told_apart_by_their_paths(tmp_path):
    runs = [write_run(tmp_path / seed / "judged", 0.5, 0.6) for seed in ("one", "two")]
    result = call("compare", *runs)
    assert result.exit_code == 0, result.output
    assert all(
        str(run).replace("_", "") in result.output.replace("\\", "").replace("_", "")
        for run in runs
    )


def test_one_set_of_a_network_stands_beside_label_maps_of_unknown_modalities(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_run(tmp_path / "net", 0.5, 0.6, 0.7, 0.5, 0.6, 0.7)
    theirs = read_scores(tmp_path / "net")
    chosen = theirs.sets[0]
    (tmp_path / "theirs").mkdir()
    theirs.as_given(chosen).write(tmp_path / "theirs" / "scores.csv")
    assert "E_SCORES" in call("compare", "net", "theirs").output
    result = call("compare", f"net@{chosen}", "theirs", "--out", "c")
    assert result.exit_code == 0, result.output
    found = json.loads((tmp_path / "c" / "comparison.json").read_text(encoding="utf-8"))
    assert found["sets"] == ["given"]
    assert {
        run["difference"]["mean"] for run in found["mean"]["WT"].values() if "difference" in run
    } == {0.0}


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


@pytest.mark.parametrize("option", ["--labels", "--prediction-labels"])
def test_an_unknown_numbering_is_refused_with_those_that_can_be_read(tmp_path, option):
    result = call("evaluate", tmp_path, "-o", tmp_path / "out", option, "brats1999")
    assert result.exit_code == 2
    assert ", ".join(DEFAULT_TASK.numberings) in result.output
