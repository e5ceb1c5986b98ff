"""Makes the file of avMNIST's pairs of the public data."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bundle.classification.avmnist.avmnist_file import audio_key
from bundle.classification.avmnist.mfcc import KINDS
from bundle.classification.avmnist.mnist_folder import read_digits
from bundle.classification.avmnist.pairing import PARTS, SMIL, Pairing, check_labels, make_pairs
from bundle.classification.avmnist.recordings import Recording, find_recordings, read_wav
from bundle.files.atomic_file import appearing_at_once

Arrays = dict[str, NDArray[Any]]


def prepare_avmnist(mnist: Path, fsdd: Path, out: Path, *, pairing: Pairing = SMIL) -> Path:
    """Pair images with recordings, and write both as networks read them.

    The same files give the same bytes.

    Args:
        mnist: folder with MNIST's four files, plain or compressed.
        fsdd: folder of the Free Spoken Digit Dataset, or its recordings.
        out: the .npz file: per part ``image`` (N, 28, 28) uint8, ``audio``, ``audio_20frames`` and
            ``audio_1s`` (N, 20, 20) float32, ``label`` uint8, ``image_id`` int32, ``recording``.
        pairing: which images and recordings; SMIL's if left out.

    Returns:
        ``out``.

    Raises:
        UsageError: a folder lacks something.
        CaseError: a file is damaged, or of another kind.
        OutputError: the file cannot be written.
    """
    recordings = find_recordings(fsdd)
    arrays: Arrays = {}
    for part in PARTS:
        digits = read_digits(mnist, part)
        pairs = make_pairs(digits, recordings, part, pairing)
        check_labels(digits, pairs, part)
        found: Arrays = {
            "image": digits.images[pairs.image_ids],
            **_coefficients(pairs.recordings),
            "label": pairs.labels,
            "image_id": pairs.image_ids,
            "recording": np.array([recording.name for recording in pairs.recordings]),
        }
        arrays |= {f"{part}_{name}": values for name, values in found.items()}
    stream = io.BytesIO()
    np.savez_compressed(stream, allow_pickle=False, **arrays)
    with appearing_at_once(out) as file:
        file.write(stream.getvalue())
    return out


def _coefficients(recordings: Sequence[Recording]) -> Arrays:
    sounds = [read_wav(recording.path) for recording in recordings]
    return {
        audio_key(kind): np.stack([compute(sound) for sound in sounds])
        for kind, compute in KINDS.items()
    }
