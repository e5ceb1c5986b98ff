"""Mel-frequency cepstral coefficients of a recording, as pure functions.

Three kinds of 20 coefficients by 20 frames. ``smil`` is what SMIL published; ``20frames`` and
``1s`` are ours, and hold more of what is said.

Source: Ma et al., SMIL, arXiv:2103.05677, and its public code; the steps and their constants are
librosa's ``feature.mfcc`` (Slaney's mel scale, power to dB, orthonormal DCT-II), version 0.11.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dct, rfft

from bundle.classification.avmnist.recordings import SAMPLE_RATE_HZ

N_COEFFICIENTS = 20
N_FRAMES = 20

Samples = NDArray[np.float32]
Array = NDArray[np.float64]

_SMIL_STEP = 3
_SMIL_WINDOW, _SMIL_HOP, _SMIL_MELS = 2048, 512, 128
_WINDOW, _MELS = 512, 40
_SECOND_HOP = 400
_FLOOR, _RANGE_DB = 1e-10, 80.0
_BREAK_HZ, _BREAK_MEL, _MEL_HZ, _LOG_STEP = 1000.0, 15.0, 200.0 / 3.0, np.log(6.4) / 27.0


def smil_mfcc(samples: Samples) -> Samples:
    """Return the coefficients as SMIL published them.

    SMIL takes every third sample and still says 8 kHz, and takes windows of 2048 samples every 512:
    of recordings that are mostly shorter than a second 1 to 12 frames hold anything, and the rest
    is 0.

    Args:
        samples: (T,) -1 to 1, at 8 kHz.

    Returns:
        (20, 20) coefficients by frames; the padding reflects, as in librosa before 0.10.
    """
    thinned = samples[::_SMIL_STEP]
    centres = np.arange(0, len(thinned) + 1, _SMIL_HOP)
    found = mfcc(windows(thinned, centres, _SMIL_WINDOW, pad="reflect"), _SMIL_MELS)
    return _filled(found, "constant")


def spread_mfcc(samples: Samples) -> Samples:
    """Return the coefficients of 20 frames that are spread evenly over the whole recording.

    Args:
        samples: (T,) -1 to 1, at 8 kHz.

    Returns:
        (20, 20) coefficients by frames of 64 ms; where 19 of them reach the end, the last one
        stands twice.
    """
    hop = -(-len(samples) // (N_FRAMES - 1))
    centres = np.arange(0, len(samples) + 1, hop)
    return _filled(mfcc(windows(samples, centres, _WINDOW, pad="constant"), _MELS), "edge")


def second_mfcc(samples: Samples) -> Samples:
    """Return the coefficients of the first second, a frame of 64 ms every 50 ms.

    Args:
        samples: (T,) -1 to 1, at 8 kHz.

    Returns:
        (20, 20) coefficients by frames; 0 after the end of the recording.
    """
    second = samples[:SAMPLE_RATE_HZ]
    centres = np.arange(0, len(second) + 1, _SECOND_HOP)
    found = mfcc(windows(second, centres, _WINDOW, pad="constant"), _MELS)
    return _filled(found, "constant")


KINDS: Mapping[str, Callable[[Samples], Samples]] = {
    "smil": smil_mfcc,
    "20frames": spread_mfcc,
    "1s": second_mfcc,
}
"""Name of a kind to what makes it of a recording."""


def windows(samples: Samples, centres: NDArray[np.intp], n_window: int, *, pad: str) -> Array:
    """Cut windows around places in a recording.

    Args:
        samples: (T,).
        centres: (W,) positions, 0 to T.
        n_window: samples of a window, even.
        pad: what lies before the first sample and after the last: ``reflect`` or ``constant`` (0),
            as NumPy calls them.

    Returns:
        (W, n_window).
    """
    padded = np.pad(samples.astype(np.float64), n_window // 2, mode=pad)  # type: ignore[call-overload]
    return padded[centres[:, None] + np.arange(n_window)]


def mfcc(cut: Array, n_mels: int) -> Array:
    """Return the coefficients of windows.

    Args:
        cut: (W, n) samples of W windows at 8 kHz.
        n_mels: bands between 0 and 4 kHz.

    Returns:
        (20, W) coefficients of the dB values, of which none lies more than 80 below the loudest.
    """
    n_window = cut.shape[1]
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n_window) / n_window)
    power = np.abs(rfft(cut * hann, axis=1)) ** 2
    bands = mel_filters(n_window, n_mels) @ power.T
    decibels = 10 * np.log10(np.maximum(_FLOOR, bands))
    decibels = np.maximum(decibels, decibels.max() - _RANGE_DB)
    return dct(decibels, axis=0, type=2, norm="ortho")[:N_COEFFICIENTS]


@lru_cache(maxsize=4)
def mel_filters(n_window: int, n_mels: int) -> Array:
    """Return Slaney's triangular bands, each of area 2 over its width in Hz.

    Args:
        n_window: samples of a window at 8 kHz.
        n_mels: bands between 0 and 4 kHz.

    Returns:
        (n_mels, n_window / 2 + 1).
    """
    frequencies = np.linspace(0, SAMPLE_RATE_HZ / 2, n_window // 2 + 1)
    edges = _hz(np.linspace(0, _mel(SAMPLE_RATE_HZ / 2), n_mels + 2))[:, None]
    low, middle, high = edges[:-2], edges[1:-1], edges[2:]
    rising, falling = (frequencies - low) / (middle - low), (high - frequencies) / (high - middle)
    triangles: Array = np.maximum(0, np.minimum(rising, falling)) * 2 / (high - low)
    triangles.setflags(write=False)
    return triangles


def _mel(frequency_hz: float) -> float:
    """Return the place of a frequency above 1 kHz on Slaney's scale, which is a logarithm there."""
    return float(_BREAK_MEL + np.log(frequency_hz / _BREAK_HZ) / _LOG_STEP)


def _hz(mel: Array) -> Array:
    above = _BREAK_HZ * np.exp(_LOG_STEP * (mel - _BREAK_MEL))
    return np.where(mel < _BREAK_MEL, mel * _MEL_HZ, above)


def _filled(coefficients: Array, mode: str) -> Samples:
    """Cut or fill to 20 frames."""
    first = coefficients[:, :N_FRAMES]
    missing = N_FRAMES - first.shape[1]
    filled = np.pad(first, ((0, 0), (0, missing)), mode=mode)  # type: ignore[call-overload]
    return np.asarray(filled, np.float32)
