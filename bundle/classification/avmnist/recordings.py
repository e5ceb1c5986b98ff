"""Reads the spoken digits of a folder of the Free Spoken Digit Dataset."""

import re
import wave
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bundle.errors import CaseError, UsageError
from bundle.files.text_file import shown

SAMPLE_RATE_HZ = 8000
SUBFOLDER = "recordings"

_BYTES = 2
_FULL_SCALE = 2**15
_NAME = re.compile(r"([0-9])_([A-Za-z]\w*)_([0-9]{1,6})\.wav", re.ASCII)
_CONVERT = f"Convert it: sox OLD.wav -r {SAMPLE_RATE_HZ} -c 1 -b 16 NEW.wav."
_AGAIN = "Copy or download the file again."


@dataclass(frozen=True)
class Recording:
    """One digit, said once.

    Attributes:
        path: of the WAV file; its name says the rest.
        digit: 0 to 9.
        speaker: who says it.
        index: counts what a speaker says of a digit, from 0.
    """

    path: Path
    digit: int
    speaker: str
    index: int

    @property
    def name(self) -> str:
        """Name of the file."""
        return self.path.name


def find_recordings(folder: Path) -> tuple[Recording, ...]:
    """List the recordings of a folder, or of ``recordings`` in it, in the order of their names.

    Args:
        folder: has ``{digit}_{speaker}_{index}.wav``; what ends otherwise is not looked at.

    Raises:
        UsageError: E_FOLDER, it has no recordings.
        CaseError: E_RECORDING, a name does not say who says what.
    """
    place = folder / SUBFOLDER if (folder / SUBFOLDER).is_dir() else folder
    try:
        paths = sorted(path for path in place.iterdir() if _is_sound(path))
    except OSError as error:
        raise UsageError(
            "E_FOLDER",
            f"{shown(place)} must be a readable folder; got: {error.strerror}. Check the path.",
        ) from None
    if not paths:
        raise UsageError(
            "E_FOLDER",
            f"{shown(place)} must have recordings such as 7_theo_0.wav; got none. Give the folder"
            " of the Free Spoken Digit Dataset, or its recordings.",
        )
    return tuple(map(_named, paths))


def read_wav(path: Path) -> NDArray[np.float32]:
    """Read the samples of a recording.

    Args:
        path: WAV file of 8 kHz, one channel, 16 bit.

    Returns:
        (T,) -1 to 1, at 8 kHz; T is at least 1.

    Raises:
        CaseError: the file is missing, damaged, or a sound of another kind.
    """
    try:
        with path.open("rb") as file, wave.open(file, "rb") as sound:
            _check_kind(sound, path)
            n_samples = sound.getnframes()
            content = sound.readframes(n_samples)
    except OSError as error:
        raise _error("E_UNREADABLE", path, "must be readable", error.strerror, "Check.") from None
    except (wave.Error, EOFError) as error:
        got = str(error) or ("a file that stops too early" if path.stat().st_size else "no bytes")
        raise _error(
            "E_RECORDING", path, "must be an uncompressed WAV file", got, _CONVERT
        ) from None
    if len(content) < n_samples * _BYTES:
        got = f"{len(content) // _BYTES} samples"
        raise _error("E_TRUNCATED", path, f"must hold the {n_samples} of its header", got, _AGAIN)
    return np.frombuffer(content, "<i2").astype(np.float32) / np.float32(_FULL_SCALE)


def _is_sound(path: Path) -> bool:
    return path.suffix.lower() == ".wav" and not path.name.startswith(".")


def _named(path: Path) -> Recording:
    match = _NAME.fullmatch(path.name)
    if match is None:
        raise _error(
            "E_RECORDING",
            path,
            "must be named DIGIT_SPEAKER_NUMBER.wav, such as 7_theo_0.wav",
            path.name,
            "Rename it, or move it away.",
        )
    return Recording(path, int(match[1]), match[2], int(match[3]))


def _check_kind(sound: wave.Wave_read, path: Path) -> None:
    rate, channels, width = sound.getframerate(), sound.getnchannels(), sound.getsampwidth()
    if (rate, channels, width) != (SAMPLE_RATE_HZ, 1, _BYTES):
        raise _error(
            "E_RECORDING",
            path,
            f"must have {SAMPLE_RATE_HZ} samples a second, 1 channel and 16 bits a sample",
            f"{rate}, {channels} and {8 * width}",
            _CONVERT,
        )
    if sound.getnframes() < 1:
        raise _error("E_RECORDING", path, "must have samples", "none", "Record it again.")


def _error(code: str, path: Path, rule: str, got: str | None, remedy: str) -> CaseError:
    return CaseError(code, f"{shown(path)} {rule}; got: {got}. {remedy}")
