import numpy as np
import pytest

from bundle.classification.avmnist.recordings import find_recordings, read_wav
from bundle.errors import CaseError, UsageError
from tests.classification.avmnist.digit_data import tone, write_fsdd, write_wav

SAMPLES = np.array([0, 1, -1, 32767, -32768])


def test_samples_are_shares_of_full_scale(tmp_path):
    samples = read_wav(write_wav(tmp_path / "a.wav", SAMPLES))
    assert samples.dtype == np.float32
    np.testing.assert_array_equal(samples * 32768, SAMPLES)


@pytest.mark.parametrize("place", [".", "recordings"])
def test_recordings_are_listed_by_name_with_digit_speaker_and_index(tmp_path, place):
    found = find_recordings(write_fsdd(tmp_path) / place)
    assert len(found) == 10 * 2 * 4
    assert [one.name for one in found] == sorted(one.name for one in found)
    assert (found[5].digit, found[5].speaker, found[5].index) == (0, "bo", 1)


def test_hidden_files_and_other_endings_are_not_looked_at(tmp_path):
    write_fsdd(tmp_path)
    (tmp_path / "recordings" / "._0_ada_0.wav").write_bytes(b"made by a Mac")
    (tmp_path / "recordings" / "README.md").write_text("digits")
    assert len(find_recordings(tmp_path)) == 80


@pytest.mark.parametrize("name", ["ten_ada_0.wav", "12_ada_0.wav", "0_ada.wav", "0_ada_x.wav"])
def test_a_name_that_says_no_digit_is_refused(tmp_path, name):
    write_fsdd(tmp_path)
    write_wav(tmp_path / "recordings" / name, tone())
    with pytest.raises(CaseError, match=r"DIGIT_SPEAKER_NUMBER\.wav") as caught:
        find_recordings(tmp_path)
    assert (caught.value.code, name in str(caught.value)) == ("E_RECORDING", True)


@pytest.mark.parametrize("place", ["", "nowhere"])
def test_a_folder_without_recordings_is_refused(tmp_path, place):
    with pytest.raises(UsageError) as caught:
        find_recordings(tmp_path / place)
    assert caught.value.code == "E_FOLDER"


@pytest.mark.parametrize(
    ("kind", "got"),
    [
        ({"rate": 16000}, "16000, 1 and 16"),
        ({"channels": 2}, "8000, 2 and 16"),
        ({"width": 1}, "8000, 1 and 8"),
        ({"width": 4}, "8000, 1 and 32"),
    ],
    ids=str,
)
def test_a_sound_of_another_kind_is_refused_with_the_command_that_converts_it(tmp_path, kind, got):
    path = write_wav(tmp_path / "0_ada_0.wav", np.zeros(100), **kind)
    with pytest.raises(CaseError, match=f"got: {got}.*sox .* -r 8000 -c 1 -b 16") as caught:
        read_wav(path)
    assert (caught.value.code, str(path) in str(caught.value)) == ("E_RECORDING", True)


def test_a_recording_without_samples_is_refused(tmp_path):
    with pytest.raises(CaseError, match="must have samples"):
        read_wav(write_wav(tmp_path / "a.wav", np.zeros(0)))


@pytest.mark.parametrize(
    ("cut", "code"),
    [(slice(-100), "E_TRUNCATED"), (slice(30), "E_RECORDING"), (slice(0), "E_RECORDING")],
)
def test_a_recording_that_stops_in_the_middle_is_refused(tmp_path, cut, code):
    path = write_wav(tmp_path / "a.wav", tone())
    path.write_bytes(path.read_bytes()[cut])
    with pytest.raises(CaseError) as caught:
        read_wav(path)
    assert caught.value.code == code


def test_another_format_with_the_ending_is_refused(tmp_path):
    (tmp_path / "a.wav").write_bytes(b"ID3\x04 an MP3 that was renamed")
    with pytest.raises(CaseError, match=r"uncompressed WAV file.*sox") as caught:
        read_wav(tmp_path / "a.wav")
    assert caught.value.code == "E_RECORDING"


def test_a_recording_that_is_not_there_is_no_traceback(tmp_path):
    with pytest.raises(CaseError, match="No such file") as caught:
        read_wav(tmp_path / "a.wav")
    assert caught.value.code == "E_UNREADABLE"
