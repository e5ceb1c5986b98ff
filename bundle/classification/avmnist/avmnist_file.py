"""The file of avMNIST's pairs, and its reader."""

import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from bundle.classification.avmnist.digit_inputs import audio_input, image_input
from bundle.classification.avmnist.mfcc import KINDS, N_COEFFICIENTS, N_FRAMES
from bundle.classification.avmnist.mnist_folder import N_CLASSES, SIDE
from bundle.classification.class_cases import ClassCases, InMemory
from bundle.errors import CaseError, UsageError
from bundle.files.text_file import shown

PARTS = {"training": "train", "test": "test"}
"""Part to what its arrays begin with."""

Arrays = Mapping[str, NDArray[Any]]


def audio_key(kind: str) -> str:
    """Return the name of the arrays of a kind of sound, without the part: ``audio_20frames``."""
    return "audio" if kind == "smil" else f"audio_{kind}"


def read_avmnist(path: Path | str, part: str, audio: str = "smil") -> ClassCases:
    """Read pairs of a file that ``simmlm prepare avmnist`` made.

    Args:
        path: of the .npz file.
        part: ``training`` or ``test``.
        audio: kind of the sound's coefficients, a key of ``mfcc.KINDS``.

    Returns:
        Cases with ``image`` (N, 1, 28, 28) and ``audio`` (N, 1, 20, 20), see ``digit_inputs``.

    Raises:
        UsageError: E_SETTING, there is no such part or kind.
        CaseError: E_ARRAYS, the file is missing, damaged, or holds something else, such as an image
            with a recording of another digit.
    """
    file = Path(path)
    if part not in PARTS or audio not in KINDS:
        known = f"part must be {' or '.join(PARTS)} and audio one of {', '.join(KINDS)}"
        raise UsageError("E_SETTING", f"{known}; got {part!r} and {audio!r}. Choose one of them.")
    arrays = _read(file, part, audio)
    images, sounds, labels = arrays["image"], arrays[audio_key(audio)], arrays["label"]
    ids = zip(labels.tolist(), arrays["image_id"].tolist(), strict=True)
    names = [f"{part}-{label}-{number}" for label, number in ids]
    if len(set(names)) < len(names):
        raise _error(file, "must have each image once", "one of them twice")
    tensors = {"image": image_input(images), "audio": audio_input(sounds)}
    return ClassCases(
        tuple(tensors),
        tuple(map(str, range(N_CLASSES))),
        tuple(names),
        torch.from_numpy(labels.astype(np.int64)),
        torch.ones(len(labels), len(tensors), dtype=torch.bool),
        InMemory(tensors),
    )


def _read(file: Path, part: str, audio: str) -> Arrays:
    wanted: dict[str, tuple[tuple[int, ...], str]] = {
        "image": ((SIDE, SIDE), "uint8"),
        audio_key(audio): ((N_COEFFICIENTS, N_FRAMES), "float32"),
        "label": ((), "uint8"),
        "image_id": ((), "int32"),
        "recording": ((), "text"),
    }
    try:
        if file.is_file() and not zipfile.is_zipfile(file):
            raise _error(file, "must be an .npz file", "another one, or its first part")
        with file.open("rb") as raw, np.load(raw, allow_pickle=False) as content:
            lacking = [key for name in wanted if (key := f"{PARTS[part]}_{name}") not in content]
            if lacking:
                raise _error(file, f"must have {lacking[0]}", "nothing of that name")
            arrays = {name: content[f"{PARTS[part]}_{name}"] for name in wanted}
    except OSError as error:
        raise _error(file, "must be an .npz file", error.strerror or "another one") from None
    except (ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        # NumPy's own words for objects advise to load them, which would run what is in them.
        got = "objects" if "pickle" in str(error) else str(error)
        raise _error(file, "must be an undamaged .npz file of numbers and text", got) from None
    n_cases = np.size(arrays["label"])
    for name, (shape, dtype) in wanted.items():
        _check(file, f"{PARTS[part]}_{name}", arrays[name], (n_cases, *shape), dtype)
    if n_cases == 0 or arrays["label"].max() >= N_CLASSES:
        raise _error(file, "must have labels of 0 to 9", "others, or none")
    _check_agreement(file, arrays)
    return arrays


def _check_agreement(file: Path, arrays: Arrays) -> None:
    for label, name in zip(arrays["label"].tolist(), arrays["recording"].tolist(), strict=True):
        if not name.startswith(f"{label}_"):
            rule = "must pair images with recordings of the same digit"
            raise _error(file, rule, f"the label {label} with {shown(name, 60)}")


def _check(file: Path, name: str, values: object, shape: tuple[int, ...], dtype: str) -> None:
    if not isinstance(values, np.ndarray):  # NumPy gives the bytes of what is no array
        raise _error(file, f"must have an array {name}", "something else of that name")
    is_text = values.dtype.kind == "U"
    if values.shape != shape or (not is_text if dtype == "text" else values.dtype != dtype):
        rule = f"must have {name} of {shape}, {dtype}"
        raise _error(file, rule, f"{values.shape}, {values.dtype}")
    if not is_text and not np.isfinite(values).all():
        raise _error(file, f"must have finite {name}", "NaN or infinity")


def _error(file: Path, rule: str, got: str) -> CaseError:
    return CaseError(
        "E_ARRAYS",
        f"{shown(file)} {rule}; got: {got}. Make it by simmlm prepare avmnist --mnist DIR --fsdd"
        " DIR -o FILE.",
    )
