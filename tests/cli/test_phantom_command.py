"""The command ``phantom`` draws the cases of any task."""

import json

import pytest

from tests.test_bad_input import call

SMALL = ("--shape", "32", "37", "34")


def names(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.nii.gz"))


def test_cases_are_those_of_brain_tumours_where_no_task_is_named(tmp_path):
    result = call("phantom", tmp_path / "new", *SMALL)
    assert result.exit_code == 0
    assert result.output.split() == [str(tmp_path / "new" / "phantom-00001-000")]
    assert names(tmp_path / "new")[0] == "phantom-00001-000/phantom-00001-000-seg.nii.gz"


def test_a_naming_is_one_of_the_task(tmp_path):
    result = call("phantom", tmp_path / "new", *SMALL, "--naming", "brats2021")
    assert result.exit_code == 0
    assert names(tmp_path / "new")[0] == "phantom_00001/phantom_00001_flair.nii.gz"
    result = call("phantom", tmp_path / "other", *SMALL, "--naming", "bids")
    assert result.exit_code == 2
    assert "naming must be one of brats2021, brats2023; got 'bids'" in result.output


def test_a_task_of_the_bundle_is_drawn_by_its_name(tmp_path):
    result = call("phantom", tmp_path / "new", *SMALL, "--task", "ms_lesions", "--cases", 2)
    assert result.exit_code == 0
    assert len(names(tmp_path / "new")) == 8
    assert names(tmp_path / "new")[0] == "phantom-00001/phantom-00001_FLAIR.nii.gz"


def test_a_task_of_the_users_own_is_drawn_from_its_file(tmp_path):
    task = {
        "name": "mine",
        "title": "Mine",
        "finding": "lesion",
        "modalities": {"ct": {"title": "CT"}},
        "labels": {1: {"name": "lesion", "colour": "#ffffff"}},
        "regions": {"all": {"title": "all", "labels": [1], "colour": "#ffffff"}},
        "numberings": {"plain": {"values": {1: 1}}},
    }
    (tmp_path / "mine.yaml").write_text(json.dumps(task).replace('{"1"', "{1"))
    result = call("phantom", tmp_path / "new", *SMALL, "--task", tmp_path / "mine.yaml")
    assert result.exit_code == 2
    assert "Task mine must declare a phantom" in result.output
    task["phantom"] = {"jitter": 0.1}
    (tmp_path / "mine.yaml").write_text(json.dumps(task).replace('{"1"', "{1"))
    result = call("phantom", tmp_path / "new", *SMALL, "--task", tmp_path / "mine.yaml")
    assert result.exit_code == 78
    assert "Task mine: phantom must have signals" in result.output


@pytest.mark.parametrize("task", ["stroke", "../x", "nowhere.yaml"])
def test_a_task_that_is_not_there_is_refused_before_anything_is_written(tmp_path, task):
    result = call("phantom", tmp_path / "new", *SMALL, "--task", task)
    assert result.exit_code == 78
    assert "E_TASK" in result.output
    assert not (tmp_path / "new").exists()
