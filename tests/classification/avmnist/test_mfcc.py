import numpy as np
import pytest
from scipy.fft import idct

from bundle.classification.avmnist.mfcc import KINDS, mel_filters, mfcc, smil_mfcc, windows
from bundle.classification.avmnist.recordings import read_wav
from tests.classification.avmnist.digit_data import reference, unpacked_recordings

TOLERANCE = 5e-4
"""The reference was computed in float32; values reach 600."""
LENGTHS = [1, 2, 19, 300, 3124, 8000, 30000]


def noise(n_samples: int) -> np.ndarray:
    return np.random.default_rng(0).normal(0, 0.1, n_samples).astype(np.float32)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n_samples", LENGTHS)
def test_every_recording_gives_20_finite_coefficients_of_20_frames(kind, n_samples):
    found = KINDS[kind](noise(n_samples))
    assert (found.shape, found.dtype) == ((20, 20), np.float32)
    assert np.isfinite(found).all()


@pytest.mark.parametrize("kind", KINDS)
def test_silence_is_finite_too(kind):
    assert np.isfinite(KINDS[kind](np.zeros(2000, np.float32))).all()


@pytest.mark.parametrize(
    ("kind", "n_samples", "n_filled"),
    [("smil", 1536, 2), ("smil", 5110, 4), ("smil", 60000, 20), ("1s", 3124, 8), ("1s", 9000, 20)],
)
def test_frames_after_the_end_are_0(kind, n_samples, n_filled):
    found = KINDS[kind](noise(n_samples))
    filled = np.abs(found).sum(axis=0) > 0
    assert filled.tolist() == [True] * n_filled + [False] * (20 - n_filled)


def test_spread_frames_fill_all_and_repeat_the_last_where_19_reach_the_end():
    assert (
        KINDS["20frames"](noise(5110))[:, 18:] == KINDS["20frames"](noise(5110))[:, 18:19]
    ).all()
    exact = KINDS["20frames"](noise(19 * 200))
    assert (exact[:, 18] != exact[:, 19]).any()


def test_smil_hears_only_every_third_sample():
    sound = noise(4000)
    changed = sound.copy()
    changed[1::3] = 0.5
    np.testing.assert_array_equal(smil_mfcc(sound), smil_mfcc(changed))


def test_no_band_lies_more_than_80_db_below_the_loudest():
    sound = np.sin(2 * np.pi * 1000 / 8000 * np.arange(4096)).astype(np.float32)
    cut = windows(sound, np.array([2048]), 512, pad="constant")
    everything = np.zeros((20, 1))
    everything[:, 0] = mfcc(cut, 20)[:, 0]  # as many coefficients as bands: nothing is lost
    decibels = idct(everything, axis=0, norm="ortho")
    assert decibels.max() - decibels.min() == pytest.approx(80, abs=1e-6)


def test_a_band_is_highest_at_its_middle_and_its_area_is_that_of_all_others():
    filters = mel_filters(2048, 40)
    areas = filters.sum(axis=1) * 8000 / 2048
    np.testing.assert_allclose(areas, 1, atol=0.05)
    assert (np.diff(filters.argmax(axis=1)) > 0).all()


def test_windows_lie_around_their_centres_and_reflect_or_fill_with_0():
    sound = np.arange(1, 7, dtype=np.float32)
    cut = windows(sound, np.array([0, 3]), 4, pad="reflect")
    assert cut.tolist() == [[3, 2, 1, 2], [2, 3, 4, 5]]
    assert windows(sound, np.array([6]), 4, pad="constant").tolist() == [[5, 6, 0, 0]]


@pytest.mark.parametrize(
    ("kind", "key"), [("smil", "audio"), ("20frames", "audio_20frames"), ("1s", "audio_1s")]
)
def test_coefficients_are_those_of_the_reference(shared_data, tmp_path, kind, key):
    with np.load(reference(shared_data)) as file:
        names, expected = file["test_recording"], file[f"test_{key}"]
    folder = unpacked_recordings(shared_data, tmp_path) / "recordings"
    found = np.stack([KINDS[kind](read_wav(folder / name)) for name in names])
    np.testing.assert_allclose(found, expected, rtol=0, atol=TOLERANCE)
