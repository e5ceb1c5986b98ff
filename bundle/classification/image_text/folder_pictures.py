"""Pictures of a folder: few are kept decoded, many are decoded when they are asked for."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from bundle.classification.image_text.pictures import BrokenPictureError, decode_picture, scaled
from bundle.errors import CaseError
from bundle.files.text_file import shown

KEPT_MIB = 1024
"""Pictures that need no more than this as uint8 are kept: 87,000 of 64 pixels a side."""
_MOST_THREADS = 8


@dataclass(frozen=True)
class FolderPictures:
    """Returns pictures by position; can be sent to other processes.

    Attributes:
        paths: N files; None where a case has no picture that can be used.
        size: S, pixels a side.
        kept: (N, 3, S, S) uint8, or None if each is decoded when it is asked for.
    """

    paths: tuple[Path | None, ...]
    size: int
    kept: Tensor | None = None

    def __call__(self, positions: Sequence[int]) -> Tensor:
        """Return (B, 3, S, S) float32 in -1 to 1; zeros where there is no picture.

        Raises:
            CaseError: E_PICTURE, one became unreadable since it was looked at.
        """
        shape = (len(positions), 3, self.size, self.size)
        pictures = torch.zeros(shape)
        for place, position in enumerate(positions):
            path = self.paths[position]
            if path is not None:
                pictures[place] = scaled(self._pixels(position, path))
        return pictures

    def only(self, positions: Sequence[int]) -> "FolderPictures":
        """Return some of the pictures, in this order."""
        if list(positions) == list(range(len(self.paths))):
            return self
        kept = None if self.kept is None else self.kept[list(positions)]
        return FolderPictures(tuple(self.paths[one] for one in positions), self.size, kept)

    def _pixels(self, position: int, path: Path) -> Tensor:
        return picture_of(path, self.size) if self.kept is None else self.kept[position]


def picture_of(path: Path, size: int) -> Tensor:
    """Decode a picture that must be there, see `decode_picture`: (3, S, S) uint8.

    Raises:
        CaseError: E_PICTURE, it cannot be decoded.
    """
    try:
        return decode_picture(path, size)
    except BrokenPictureError as error:
        raise CaseError(
            "E_PICTURE",
            f"{shown(path)} must be a whole picture; got: {error}. Fetch it again, or leave the"
            " picture out.",
        ) from None


def look_through(
    paths: Sequence[Path], size: int, *, kept_mib: float = KEPT_MIB
) -> tuple[FolderPictures, dict[int, str]]:
    """Decode all pictures once, so that those that cannot be used are known before training.

    Args:
        paths: N files.
        size: S, pixels a side.
        kept_mib: MiB up to which the pixels are kept; more are thrown away and read again.

    Returns:
        The pictures, and by position what is wrong with those that cannot be used.
    """
    shape = (len(paths), 3, size, size)
    fits = len(paths) * 3 * size**2 <= kept_mib * 2**20
    kept = torch.zeros(shape, dtype=torch.uint8) if fits else None
    with ThreadPoolExecutor(min(_MOST_THREADS, os.cpu_count() or 1)) as threads:
        found = threads.map(partial(_look, size=size, kept=kept), range(len(paths)), paths)
        problems = {place: problem for place, problem in enumerate(found) if problem is not None}
    usable = (None if place in problems else path for place, path in enumerate(paths))
    return FolderPictures(tuple(usable), size, kept), problems


def _look(place: int, path: Path, *, size: int, kept: Tensor | None) -> str | None:
    """Decode one picture into its place; say what is wrong with it."""
    try:
        pixels = decode_picture(path, size)
    except BrokenPictureError as error:
        return str(error)
    if kept is not None:
        kept[place] = pixels
    return None
