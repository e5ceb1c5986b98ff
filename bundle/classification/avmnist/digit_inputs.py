"""Digits as the networks read them: of a file of pairs as of single files."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from bundle.classification.avmnist.mfcc import KINDS, N_COEFFICIENTS, N_FRAMES
from bundle.classification.avmnist.mnist_folder import SIDE
from bundle.classification.avmnist.recordings import read_wav
from bundle.classification.class_cases import Inputs
from bundle.errors import CaseError, UsageError
from bundle.files.text_file import shown

IMAGE_MEAN, IMAGE_DEVIATION = 0.1307, 0.3081
"""Of MNIST's 60,000 training images, as shares of white."""

WHITE = 255
_GREY_MODES = ("1", "L", "LA", "P", "RGB", "RGBA")
_FORMATS = ("PNG", "JPEG", "PPM", "BMP")
"""Pillow's names; PPM is that of PGM. Readers of other formats warn where a file is damaged."""


def image_input(images: NDArray[np.uint8]) -> Tensor:
    """Scale images (N, 28, 28), white on black, by MNIST's mean and deviation: (N, 1, 28, 28)."""
    shares = torch.from_numpy(np.array(images, np.float32)) / WHITE
    return ((shares - IMAGE_MEAN) / IMAGE_DEVIATION).unsqueeze(1)


def audio_input(coefficients: NDArray[np.float32]) -> Tensor:
    """Take coefficients (N, 20, 20) as they are, as SMIL does: (N, 1, 20, 20).

    Scaled to a deviation of 1, overall or by coefficient, they taught LeNet-5 less in as many
    epochs, judged on training recordings that were kept aside.
    """
    return torch.from_numpy(np.array(coefficients, np.float32)).unsqueeze(1)


def read_digit(files: Mapping[str, Path], *, audio: str = "smil") -> Inputs:
    """Read one case to classify.

    Args:
        files: ``image`` and ``audio`` to a file, either of which may be missing: a picture of 28 x
            28 pixels, white on black, and a WAV file of 8 kHz, one channel, 16 bit.
        audio: kind of the sound's coefficients, a key of ``mfcc.KINDS``.

    Returns:
        ``image`` (1, 1, 28, 28) and ``audio`` (1, 1, 20, 20), 0 where no file was given.

    Raises:
        CaseError: a file is missing, damaged, or of another kind.
        UsageError: E_USAGE, there is no file at all.
    """
    if not files:
        raise UsageError("E_USAGE", "A case must have an image or a sound; got none. Add a file.")
    image = torch.zeros(1, 1, SIDE, SIDE)
    sound = torch.zeros(1, 1, N_COEFFICIENTS, N_FRAMES)
    if "image" in files:
        image = image_input(read_picture(Path(files["image"]))[None])
    if "audio" in files:
        sound = audio_input(KINDS[audio](read_wav(Path(files["audio"])))[None])
    return {"image": image, "audio": sound}


def read_picture(path: Path) -> NDArray[np.uint8]:
    """Read a digit, white on black: (28, 28) uint8.

    Raises:
        CaseError: E_UNREADABLE, E_PICTURE, the file cannot be read, has another size or format,
            colours, transparent pixels, or a dark digit on white.
    """
    try:
        with Image.open(path, formats=_FORMATS) as picture:
            if picture.size != (SIDE, SIDE) or picture.mode not in _GREY_MODES:
                raise _unfit(path, f"{picture.size[0]} x {picture.size[1]}, {picture.mode}")
            values: NDArray[np.uint8] = np.asarray(picture.convert("RGBA"))
    except UnidentifiedImageError:
        raise _unfit(path, f"none of {', '.join(_FORMATS)}") from None
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise CaseError(  # Pillow calls a broken PNG an error of syntax
            "E_UNREADABLE",
            f"{shown(path)} must be a readable picture; got: {error}. Copy the file again.",
        ) from None
    if (values[..., :3] != values[..., :1]).any():
        raise _unfit(path, "colours")
    if (values[..., 3] < WHITE).any():
        raise _unfit(path, "transparent pixels")
    if values[..., 0].mean() > WHITE / 2:
        raise _unfit(path, "a dark digit on white", "-negate ")
    return np.ascontiguousarray(values[..., 0])


def _unfit(path: Path, got: str, change: str = "") -> CaseError:
    return CaseError(
        "E_PICTURE",
        f"{shown(path)} must be a grey picture of {SIDE} x {SIDE} pixels, a white digit on black;"
        f" got {got}. Convert it: convert OLD.png -background black -flatten {change}-colorspace"
        f" Gray -depth 8 -resize {SIDE}x{SIDE}! NEW.png.",
    )
