"""The commands ``prepare`` and ``phantom`` for tasks whose cases are classified."""

import pytest

from bundle.classification.avmnist.avmnist_file import read_avmnist
from tests.classification.avmnist.digit_data import write_fsdd, write_mnist
from tests.test_bad_input import call


def test_digits_are_drawn_prepared_and_read(tmp_path):
    drawn = call("phantom", "--task", "avmnist", tmp_path / "drawn", "--seed", 5)
    assert drawn.exit_code == 0, drawn.output
    mnist, fsdd = drawn.output.split()
    made = call("prepare", "avmnist", "--mnist", mnist, "--fsdd", fsdd, "-o", tmp_path / "a.npz")
    assert made.exit_code == 0, made.output
    assert "105 training and 45 test pairs of each class" in made.output
    assert len(read_avmnist(tmp_path / "a.npz", "training")) == 1050


def test_pictures_with_titles_are_drawn_in_their_public_layout(tmp_path):
    result = call("phantom", tmp_path / "food", "--task", "image_text")
    assert result.exit_code == 0, result.output
    assert (tmp_path / "food" / "texts" / "train_titles.csv").is_file()


@pytest.mark.parametrize("name", ["mnist", "fsdd"])
def test_a_folder_that_is_there_is_never_drawn_into(tmp_path, name):
    (tmp_path / name).mkdir()
    result = call("phantom", "--task", "avmnist", tmp_path)
    assert (result.exit_code, "E_EXISTS" in result.output) == (74, True)
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--dicom",), "--dicom must be left out with --task avmnist"),
        (("--cases", "2"), "--cases must be left out with --task avmnist"),
        (("--naming", "bids"), "--naming must be left out with --task avmnist"),
        (("--seed", "-1"), "--seed must be 0 or more; got -1"),
        (("--shape", "9", "9", "9"), "--shape must be left out with --task avmnist"),
    ],
)
def test_options_that_mean_nothing_for_digits_are_refused_before_anything_is_written(
    tmp_path, arguments, words
):
    result = call("phantom", "--task", "avmnist", tmp_path / "new", *arguments)
    assert result.exit_code == 2
    assert words in result.output
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("avmnist",), "got no --mnist"),
        (("avmnist", "--mnist", "m"), "got no --fsdd"),
        (("avmnist", "--fsdd", "f"), "got no --mnist"),
        (("--mnist", "m", "--fsdd", "f"), "SOURCE must be the word avmnist"),
        (("exams", "--mnist", "m", "--fsdd", "f"), "SOURCE must be the word avmnist"),
        (("avmnist", "--mnist", "m", "--fsdd", "f", "--t1c", "a.nii"), "--image must be left out"),
        (
            ("avmnist", "--mnist", "m", "--fsdd", "f", "--case-id", "a"),
            "--case-id must be left out",
        ),
        (("avmnist", "--mnist", "m", "--fsdd", "f", "--again"), "--again must be left out"),
        (("avmnist", "--mnist", "m", "--fsdd", "f", "--retries", "2"), "--retries must be left"),
        (("avmnist", "--mnist", "m", "--fsdd", "f", "--engine", "ray"), "--engine must be left"),
        (("avmnist", "--mnist", "m", "--fsdd", "f"), "E_FOLDER"),
    ],
)
def test_what_is_missing_or_too_much_is_said(tmp_path, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)
    result = call("prepare", *arguments, "-o", "pairs.npz")
    assert result.exit_code == 2
    assert words in result.output
    assert not (tmp_path / "pairs.npz").exists()


@pytest.mark.parametrize("name", ["pairs", "folder.npz"])
def test_an_output_that_is_no_npz_file_is_refused(tmp_path, name):
    (tmp_path / "folder.npz").mkdir()
    mnist, fsdd = write_mnist(tmp_path / "mnist"), write_fsdd(tmp_path / "fsdd")
    result = call("prepare", "avmnist", "--mnist", mnist, "--fsdd", fsdd, "-o", tmp_path / name)
    assert (result.exit_code, "E_OUTPUT" in result.output) == (2, True)


def test_a_recording_that_cannot_be_read_is_named_and_nothing_is_written(tmp_path):
    mnist, fsdd = write_mnist(tmp_path / "mnist"), write_fsdd(tmp_path / "fsdd")
    result = call("prepare", "avmnist", "--mnist", mnist, "--fsdd", fsdd, "-o", tmp_path / "a.npz")
    assert result.exit_code == 2
    assert "E_PAIRS" in result.output
    assert not (tmp_path / "a.npz").exists()


def test_a_folder_of_exams_may_be_called_avmnist(tmp_path, monkeypatch):
    (tmp_path / "avmnist").mkdir()
    monkeypatch.chdir(tmp_path)
    result = call("prepare", "avmnist", "-o", "cases")
    assert (result.exit_code, "1 cases: 0 ok, 1 failed" in result.output) == (1, True)
