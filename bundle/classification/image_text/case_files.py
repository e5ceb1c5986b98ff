"""One case for prediction: a picture's file, a text's, or both."""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from bundle.classification.class_cases import Inputs
from bundle.classification.image_text.folder_pictures import picture_of
from bundle.classification.image_text.food101 import IMAGE, MODALITIES, TEXT
from bundle.classification.image_text.ngrams import HashedNgrams, TextTokens
from bundle.classification.image_text.pictures import scaled
from bundle.errors import UsageError
from bundle.files.text_file import read_text, shown


def read_image_text(
    files: Mapping[str, Path],
    *,
    image_size: int = 64,
    max_tokens: int = 64,
    n_buckets: int = 2**14,
    tokens: TextTokens | None = None,
) -> Inputs:
    """Read a case as `read_food101` does.

    Args:
        files: ``image`` to a picture, ``text`` to a text in UTF-8; at least one of both.
        image_size: as the network was trained with; so are the following.
        max_tokens: see `HashedNgrams`.
        n_buckets: see there.
        tokens: what makes numbers of a text instead of them.

    Returns:
        ``image`` (1, 3, S, S) float32 in -1 to 1, and ``text`` (1, L) int64; zeros where no file
        was given.

    Raises:
        UsageError: E_FILE_NAME, a modality is another one, or there is none; E_TEXT, the text
            cannot be read, or has no word.
        CaseError: E_PICTURE, the picture is missing or broken.
    """
    _check_names(files)
    numbers = tokens or HashedNgrams(n_buckets, max_tokens)
    if IMAGE in files:
        pixels = scaled(picture_of(Path(files[IMAGE]), image_size))
    else:
        pixels = torch.zeros(3, image_size, image_size)
    words = _numbers_of(Path(files[TEXT]), numbers) if TEXT in files else numbers("")
    return {IMAGE: pixels.unsqueeze(0), TEXT: words.unsqueeze(0)}


def _check_names(files: Mapping[str, Path]) -> None:
    if not files or set(files) - set(MODALITIES):
        raise UsageError(
            "E_FILE_NAME",
            f"A case must be files of {' and '.join(MODALITIES)}, or one of both; got"
            f" {', '.join(map(str, files)) or 'none'}. Name what each file holds.",
        )


def _numbers_of(path: Path, numbers: TextTokens) -> Tensor:
    found = numbers(read_text(path, "a text", "E_TEXT"))
    if not found.any():
        raise UsageError(
            "E_TEXT",
            f"{shown(path)} must have a word; got none. Write one, or leave the text out.",
        )
    return found
