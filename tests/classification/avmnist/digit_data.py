"""MNIST and spoken digits that are small, known on paper, and in the public layouts."""

import gzip
import os
import struct
import tarfile
import wave
from pathlib import Path

import numpy as np
import pytest

from bundle.classification.avmnist.pairing import Pairing

SMALL = Pairing(n_training=4, n_test=2, speakers=("ada", "bo"), first_training=1)


def idx_bytes(values: np.ndarray, *, magic: bytes | None = None) -> bytes:
    """Return the bytes of an idx file of unsigned bytes."""
    head = bytes((0, 0, 8, values.ndim)) if magic is None else magic
    return head + struct.pack(f">{values.ndim}I", *values.shape) + values.tobytes()


def write_mnist(folder: Path, *, n_of_each: int = 6, packed: bool = True) -> Path:
    """Write the four files: image i of a part is everywhere i, its class is i modulo 10."""
    folder.mkdir(parents=True, exist_ok=True)
    labels = (np.arange(10 * n_of_each) % 10).astype(np.uint8)
    images = np.arange(10 * n_of_each, dtype=np.uint8)[:, None, None] * np.ones((28, 28), np.uint8)
    for stem in ("train", "t10k"):
        for kind, values in (("images-idx3", images), ("labels-idx1", labels)):
            content = idx_bytes(values)
            name = f"{stem}-{kind}-ubyte"
            if packed:
                (folder / f"{name}.gz").write_bytes(gzip.compress(content))
            else:
                (folder / name).write_bytes(content)
    return folder


def write_wav(
    path: Path, samples: np.ndarray, *, rate: int = 8000, channels: int = 1, width: int = 2
) -> Path:
    """Write samples as a WAV file, of another kind than is read where that is asked for."""
    with path.open("wb") as file, wave.open(file, "wb") as sound:
        sound.setnchannels(channels)
        sound.setsampwidth(width)
        sound.setframerate(rate)
        sound.writeframes(samples.astype({1: "u1", 2: "<i2", 4: "<i4"}[width]).tobytes())
    return path


def tone(digit: int = 0, n_samples: int = 1500) -> np.ndarray:
    """Return a tone, higher for larger digits."""
    return 9000 * np.sin(np.arange(n_samples) * (0.1 + 0.1 * digit))


def write_fsdd(folder: Path, *, n_of_each: int = 4) -> Path:
    """Write recordings of two speakers, ada and bo."""
    place = folder / "recordings"
    place.mkdir(parents=True)
    for digit in range(10):
        for speaker in SMALL.speakers:
            for index in range(n_of_each):
                name = f"{digit}_{speaker}_{index}.wav"
                write_wav(place / name, tone(digit, 1500 + 100 * index))
    return folder


def real_mnist() -> Path:
    """Return the folder of MNIST's own files, or skip."""
    if not os.environ.get("SIMMLM_MNIST"):
        pytest.skip("SIMMLM_MNIST does not name a folder with MNIST's own four files")
    return Path(os.environ["SIMMLM_MNIST"])


def reference(shared_data: Path) -> Path:
    """Return the file of pairs that was made independently, or skip."""
    path = shared_data / "avmnist" / "avmnist.npz"
    if not path.is_file():
        pytest.skip("avmnist/avmnist.npz is not in ../shared/data")
    return path


def unpacked_recordings(shared_data: Path, folder: Path) -> Path:
    """Unpack the recordings of three speakers, or skip."""
    path = shared_data / "avmnist" / "fsdd_three_speakers.tar.gz"
    if not path.is_file():
        pytest.skip("avmnist/fsdd_three_speakers.tar.gz is not in ../shared/data")
    with tarfile.open(path) as archive:
        archive.extractall(folder, filter="data")
    return folder
