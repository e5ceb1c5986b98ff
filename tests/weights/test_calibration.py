import json
import math
from dataclasses import asdict

import pytest
import torch

from bundle.errors import SetupError, UserError
from bundle.tasks.default import DEFAULT_TASK
from bundle.weights.calibration import (
    CALIBRATIONS,
    Calibration,
    calibration_sha256,
    load_calibration,
)
from tests.other_task import LESIONS

SHA, OTHER = "ab" * 32, "cd" * 32
FOUND = Calibration(
    SHA,
    "brain_tumours",
    8,
    {"TC": {"1": 2.0, "4": 1.5}, "WT": {"1": 0.5}, "ET": {"1": None}},
    {"TC": {"1": 0.0, "4": 2.0}, "WT": {"4": None}, "ET": {"4": 1.0}},
    0.8,
)


@pytest.fixture
def weights(tmp_path):
    return tmp_path / "model.pt"


def load(chosen, weights, sha=SHA, task=DEFAULT_TASK):
    return load_calibration(chosen, weights, sha, task)


def test_what_is_written_beside_the_weights_is_found_by_itself(weights):
    FOUND.write(CALIBRATIONS.path(weights))
    assert CALIBRATIONS.path(weights).name == "model.calibration.json"
    assert asdict(load("auto", weights)) == asdict(FOUND)
    assert len(calibration_sha256(FOUND, "auto", weights)) == 64
    assert load("none", weights) is None
    assert calibration_sha256(None, "none", weights) is None


def test_without_one_there_is_none(weights):
    assert load("auto", weights) is None


def test_that_of_older_weights_is_left_alone_unless_it_is_asked_for(weights):
    FOUND.write(CALIBRATIONS.path(weights))
    assert load("auto", weights, OTHER) is None
    with pytest.raises(
        SetupError, match=r"must be of the weights .* Run simmlm calibrate"
    ) as caught:
        load(CALIBRATIONS.path(weights), weights, OTHER)
    assert caught.value.code == "E_CALIBRATION"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"task": "ms_lesions"}, "must be of the task brain_tumours"),
        ({"temperatures": {"TC": {"1": 1.0}}}, "and its regions"),
        ({"temperatures": {"TC": {"1": -1.0}, "WT": {}, "ET": {}}}, "got a number below 0"),
        ({"margins": {"TC": 3}}, "must be a file of simmlm calibrate"),
        ({"unknown": 3}, "must be a file of simmlm calibrate"),
    ],
)
def test_what_cannot_be_one_is_a_sentence(weights, change, words):
    CALIBRATIONS.path(weights).write_text(json.dumps({**asdict(FOUND), **change}))
    with pytest.raises(SetupError, match=words) as caught:
        load("auto", weights)
    assert caught.value.code == "E_CALIBRATION"
    assert "set calibration=none" in str(caught.value)


@pytest.mark.parametrize("content", ["", "{", "[1]", "3", "null"])
def test_a_damaged_file_is_a_sentence(weights, content):
    CALIBRATIONS.path(weights).write_text(content)
    with pytest.raises(UserError):
        load("auto", weights)


def test_a_file_that_is_not_there_is_a_sentence(weights):
    with pytest.raises(SetupError, match="must be there; it is missing"):
        load(weights.with_name("mine.json"), weights)


def test_one_of_another_task_is_refused(weights):
    FOUND.write(CALIBRATIONS.path(weights))
    with pytest.raises(SetupError, match="must be of the task"):
        load("auto", weights, task=LESIONS)


def test_logits_are_divided_by_region_and_number_of_modalities():
    logits = torch.ones(3, 2, 2, 2)
    assert FOUND.scaled(logits, 1, DEFAULT_TASK)[:, 0, 0, 0].tolist() == [0.5, 2.0, 1.0]
    assert FOUND.scaled(logits, 4, DEFAULT_TASK)[:, 0, 0, 0].tolist() == pytest.approx(
        [1 / 1.5, 1, 1]
    )


def test_a_margin_is_a_probability_where_it_is_known():
    assert FOUND.limits(1, DEFAULT_TASK) == {"TC": 0.5}
    limits = FOUND.limits(4, DEFAULT_TASK)
    assert set(limits) == {"TC", "ET"}
    assert math.log(limits["TC"] / (1 - limits["TC"])) == pytest.approx(2)
