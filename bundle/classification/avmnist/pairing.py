"""Pairs handwritten with spoken digits, as SMIL does."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bundle.classification.avmnist.mnist_folder import N_CLASSES, Digits
from bundle.classification.avmnist.recordings import Recording
from bundle.errors import UsageError

PARTS = ("train", "test")


@dataclass(frozen=True)
class Pairing:
    """Which digits and recordings make the pairs of training and test.

    Attributes:
        n_training: pairs of each class.
        n_test: likewise.
        speakers: whose recordings are taken.
        first_training: index of a speaker's first recording for training; those before it are for
            the test. The same speakers are in both.

    Source: Ma et al., SMIL: Multimodal Learning with Severely Missing Modality, AAAI 2021,
        arXiv:2103.05677, and its public code.
    """

    n_training: int = 105
    n_test: int = 45
    speakers: tuple[str, ...] = ("jackson", "nicolas", "theo")
    first_training: int = 15

    def n_of(self, part: str) -> int:
        """Return the pairs of each class of a part."""
        return self.n_training if part == "train" else self.n_test


SMIL = Pairing()
"""1,050 training and 450 test pairs."""


@dataclass(frozen=True)
class Pairs:
    """The pairs of one part, class by class.

    Attributes:
        image_ids: (N,) int32, positions in MNIST's file.
        recordings: N.
        labels: (N,) uint8.
    """

    image_ids: NDArray[np.int32]
    recordings: tuple[Recording, ...]
    labels: NDArray[np.uint8]


def make_pairs(
    digits: Digits, recordings: Sequence[Recording], part: str, pairing: Pairing = SMIL
) -> Pairs:
    """Pair images with recordings of the same digit, both in the order of their files.

    SMIL orders images by their numbers as text ("0", "1", "10", ...), takes the first of each class
    of the training file and the last of the test file; recordings are in the order of their names.

    Args:
        digits: of the same part of MNIST.
        recordings: all.
        part: ``train`` or ``test``.
        pairing: how many, of whom.

    Raises:
        UsageError: E_PAIRS, there are too few images or recordings of a digit.
    """
    n = pairing.n_of(part)
    ids: list[int] = []
    chosen: list[Recording] = []
    for digit in range(N_CLASSES):
        ids += _image_ids(digits.labels, digit, part, n)
        chosen += _recordings(recordings, digit, part, pairing)
    labels = np.repeat(np.arange(N_CLASSES, dtype=np.uint8), n)
    return Pairs(np.array(ids, np.int32), tuple(chosen), labels)


def check_labels(digits: Digits, pairs: Pairs, part: str) -> None:
    """Refuse pairs of which image and recording say different digits.

    Raises:
        UsageError: E_PAIRS.
    """
    shown = digits.labels[pairs.image_ids]
    said = np.array([recording.digit for recording in pairs.recordings])
    for place in np.flatnonzero((shown != said) | (said != pairs.labels))[:1]:
        raise UsageError(
            "E_PAIRS",
            f"Image {pairs.image_ids[place]} of the {part} file and"
            f" {pairs.recordings[place].path} must be of one class; got {shown[place]} and"
            f" {said[place]}. Mend the labels.",
        )


def _image_ids(labels: NDArray[np.uint8], digit: int, part: str, n: int) -> list[int]:
    found = sorted(np.flatnonzero(labels == digit).tolist(), key=lambda number: f"{number}.png")
    if len(found) < n:
        raise UsageError(
            "E_PAIRS",
            f"MNIST's {part} files must have {n} images of the digit {digit}; got {len(found)}."
            " Give the whole files.",
        )
    return found[:n] if part == "train" else found[len(found) - n :]


def _recordings(
    recordings: Sequence[Recording], digit: int, part: str, pairing: Pairing
) -> list[Recording]:
    found = [
        recording
        for recording in recordings
        if recording.digit == digit
        and recording.speaker in pairing.speakers
        and (recording.index >= pairing.first_training) == (part == "train")
    ]
    n = pairing.n_of(part)
    if len(found) < n:
        by = {name: sum(one.speaker == name for one in found) for name in pairing.speakers}
        counted = ", ".join(f"{count} of {name}" for name, count in by.items())
        folder = recordings[0].path.parent if recordings else Path("recordings")
        raise UsageError(
            "E_PAIRS",
            f"{folder} must have {n} recordings of the digit {digit} for {part}; got {len(found)}:"
            f" {counted}. Give the whole data set.",
        )
    # As folders list them: by the name as text.
    return sorted(found, key=lambda recording: recording.name)[:n]
