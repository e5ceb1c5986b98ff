from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bundle.classification.avmnist.mnist_folder import Digits
from bundle.classification.avmnist.pairing import SMIL, check_labels, make_pairs
from bundle.classification.avmnist.recordings import Recording
from bundle.errors import UsageError
from tests.classification.avmnist.digit_data import SMALL

LABELS = (np.arange(300) % 10).astype(np.uint8)
DIGITS = Digits(np.zeros((300, 28, 28), np.uint8), LABELS)
RECORDINGS = tuple(
    Recording(Path(f"{digit}_{speaker}_{index}.wav"), digit, speaker, index)
    for digit in range(10)
    for speaker in ("ada", "bo", "cy")
    for index in range(3)
)


def test_smil_has_1050_training_and_450_test_pairs_of_three_speakers():
    assert (10 * SMIL.n_training, 10 * SMIL.n_test, len(SMIL.speakers)) == (1050, 450, 3)


def test_training_takes_the_first_images_in_the_order_of_their_numbers_as_text():
    pairs = make_pairs(DIGITS, RECORDINGS, "train", SMALL)
    assert pairs.labels.tolist() == [digit for digit in range(10) for _ in range(4)]
    assert pairs.image_ids[:4].tolist() == [0, 10, 100, 110]
    assert pairs.image_ids[4:8].tolist() == [1, 101, 11, 111]


def test_the_test_takes_the_last_images_in_that_order():
    pairs = make_pairs(DIGITS, RECORDINGS, "test", SMALL)
    assert pairs.image_ids[:2].tolist() == [80, 90]
    assert pairs.image_ids[4:6].tolist() == [82, 92]


def test_first_recordings_are_for_the_test_and_others_for_training_and_none_is_in_both():
    names = {
        part: [one.name for one in make_pairs(DIGITS, RECORDINGS, part, SMALL).recordings]
        for part in ("train", "test")
    }
    assert names["test"][:2] == ["0_ada_0.wav", "0_bo_0.wav"]
    assert names["train"][:4] == ["0_ada_1.wav", "0_ada_2.wav", "0_bo_1.wav", "0_bo_2.wav"]
    assert set(names["train"]) & set(names["test"]) == set()


def test_image_and_recording_of_a_pair_say_the_same_digit():
    for part in ("train", "test"):
        pairs = make_pairs(DIGITS, RECORDINGS, part, SMALL)
        check_labels(DIGITS, pairs, part)
        assert (DIGITS.labels[pairs.image_ids] == pairs.labels).all()
        assert [one.digit for one in pairs.recordings] == pairs.labels.tolist()


def test_labels_that_disagree_are_refused_with_image_and_recording():
    pairs = make_pairs(DIGITS, RECORDINGS, "train", SMALL)
    exchanged = replace(pairs, recordings=pairs.recordings[::-1])
    with pytest.raises(
        UsageError, match=r"Image 0 of the train file and 9_bo_2.wav.*got 0 and 9"
    ) as caught:
        check_labels(DIGITS, exchanged, "train")
    assert caught.value.code == "E_PAIRS"


def test_too_few_images_of_a_digit_are_named():
    few = Digits(DIGITS.images[:28], LABELS[:28])
    with pytest.raises(UsageError, match="train files must have 4 images of the digit 0; got 3"):
        make_pairs(few, RECORDINGS, "train", SMALL)


def test_too_few_recordings_of_a_digit_are_named_by_speaker():
    silent = [one for one in RECORDINGS if (one.digit, one.speaker) != (3, "bo")]
    with pytest.raises(
        UsageError, match="4 recordings of the digit 3 for train; got 2: 2 of ada, 0 of bo"
    ):
        make_pairs(DIGITS, silent, "train", SMALL)
