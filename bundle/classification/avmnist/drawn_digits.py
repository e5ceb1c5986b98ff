"""Draws handwritten and spoken digits that stand in where the real data are not."""

import gzip
import io
import struct
import wave
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import affine_transform, gaussian_filter

from bundle.classification.avmnist.mnist_folder import N_CLASSES, SIDE
from bundle.classification.avmnist.pairing import SMIL, Pairing
from bundle.classification.avmnist.recordings import SAMPLE_RATE_HZ, SUBFOLDER
from bundle.errors import UsageError
from bundle.files.atomic_file import appearing_at_once, make_folder

Array = NDArray[np.float64]

# A seven-segment display: top, the two upper sides, middle, the two lower sides, bottom, each as
# two corners of a grid of 3 rows and 2 columns.
_SEGMENTS = (
    ((0, 0), (0, 1)),
    ((0, 0), (1, 0)),
    ((0, 1), (1, 1)),
    ((1, 0), (1, 1)),
    ((1, 0), (2, 0)),
    ((1, 1), (2, 1)),
    ((2, 0), (2, 1)),
)
_LIT = (
    *("1110111", "0010010", "1011101", "1011011", "0111010"),
    *("1101011", "1101111", "1010010", "1111111", "1111011"),
)
_TOP, _LEFT, _STEP = 5.0, 9.0, 9.0

# Tones at the beginning and the end of a digit, in Hz: a speaker is higher or lower as a whole.
_BEGINNINGS_HZ = (350.0, 500.0, 700.0, 950.0)
_ENDS_HZ = (400.0, 650.0, 1000.0)
_PITCHES = (0.93, 1.0, 1.07)


def write_drawn_digits(folder: Path, *, seed: int = 0, pairing: Pairing = SMIL) -> Path:
    """Draw what ``prepare_avmnist`` reads, in the layouts of the public data.

    Segments of a display, bent and noisy, stand for handwriting; two tones that glide into each
    other, as long as a speaker likes, for speech. No pixel and no sound is anybody's.

    Args:
        folder: receives ``mnist`` and ``fsdd/recordings``.
        seed: 0 or more; the same seed draws the same bytes.
        pairing: as many of each are drawn as it needs.

    Returns:
        ``folder``.

    Raises:
        UsageError: E_PHANTOM, the seed is negative.
        OutputError: a file cannot be written.
    """
    if seed < 0:
        raise UsageError("E_PHANTOM", f"seed must be 0 or more; got {seed}. Give another.")
    generator = np.random.default_rng(seed)
    _write_images(make_folder(folder / "mnist"), generator, pairing)
    place = make_folder(folder / "fsdd" / SUBFOLDER)
    n_speakers = len(pairing.speakers)
    n_training = -(-pairing.n_training // n_speakers)
    n_test = min(-(-pairing.n_test // n_speakers), pairing.first_training)
    indices = [*range(n_test), *range(pairing.first_training, pairing.first_training + n_training)]
    for digit in range(N_CLASSES):
        for speaker, name in enumerate(pairing.speakers):
            for index in indices:
                sound = draw_sound(digit, speaker, generator)
                _write_wav(place / f"{digit}_{name}_{index}.wav", sound)
    return folder


def draw_image(digit: int, generator: np.random.Generator) -> NDArray[np.uint8]:
    """Draw a digit, white on black: (28, 28) uint8."""
    image = np.zeros((SIDE, SIDE))
    for (start, end), lit in zip(_SEGMENTS, _LIT[digit], strict=True):
        if lit == "1":
            for share in np.linspace(0, 1, 24):
                corner = np.array(start) * (1 - share) + np.array(end) * share
                row, column = np.array([_TOP, _LEFT]) + _STEP * corner
                image[round(row), round(column)] = 1
    turn, lean = generator.normal(0, 0.25), generator.normal(0, 0.3)
    matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    matrix = matrix @ np.array([[1, 0], [lean, 1]]) * generator.uniform(0.85, 1.3)
    middle = np.full(2, SIDE / 2 - 0.5)
    shift = generator.normal(0, 2, 2)
    thick = gaussian_filter(image, generator.uniform(0.6, 1.2))
    moved = affine_transform(thick, matrix, middle - matrix @ (middle + shift), order=1)
    bright = moved / max(moved.max(), 1e-6) + generator.normal(0, 0.22, moved.shape)
    return np.clip(255 * bright, 0, 255).astype(np.uint8)


def draw_sound(digit: int, speaker: int, generator: np.random.Generator) -> NDArray[np.int16]:
    """Draw a spoken digit: (T,) samples at 8 kHz, 0.2 to 0.6 s."""
    pitch = _PITCHES[speaker % len(_PITCHES)] * np.exp(generator.normal(0, 0.07))
    first = pitch * _BEGINNINGS_HZ[digit % len(_BEGINNINGS_HZ)]
    last = pitch * _ENDS_HZ[digit % len(_ENDS_HZ)]
    n_samples = int(SAMPLE_RATE_HZ * generator.uniform(0.2, 0.6))
    share = np.linspace(0, 1, n_samples)
    frequency = first + (last - first) / (1 + np.exp(-12 * (share - generator.uniform(0.4, 0.6))))
    phase = 2 * np.pi * np.cumsum(frequency) / SAMPLE_RATE_HZ
    voice = np.sin(phase) + 0.5 * np.sin(2 * phase) + 0.25 * np.sin(3 * phase)
    loud = np.sin(np.pi * share) * voice + generator.normal(0, 0.5, n_samples)
    return (np.clip(loud / 4, -1, 1) * 2**14).astype(np.int16)


def _write_images(folder: Path, generator: np.random.Generator, pairing: Pairing) -> None:
    for stem, n in (("train", pairing.n_training), ("t10k", pairing.n_test)):
        labels = generator.permutation(np.repeat(np.arange(N_CLASSES, dtype=np.uint8), n))
        images = np.stack([draw_image(int(label), generator) for label in labels])
        _write_idx(folder / f"{stem}-images-idx3-ubyte.gz", images)
        _write_idx(folder / f"{stem}-labels-idx1-ubyte.gz", labels)


def _write_idx(path: Path, values: NDArray[np.uint8]) -> None:
    header = bytes((0, 0, 8, values.ndim)) + struct.pack(f">{values.ndim}I", *values.shape)
    with appearing_at_once(path) as file:
        file.write(gzip.compress(header + values.tobytes(), mtime=0))


def _write_wav(path: Path, samples: NDArray[np.int16]) -> None:
    stream = io.BytesIO()
    with wave.open(stream, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(SAMPLE_RATE_HZ)
        sound.writeframes(samples.astype("<i2").tobytes())
    with appearing_at_once(path) as file:
        file.write(stream.getvalue())
