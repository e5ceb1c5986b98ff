"""Pictures with titles in the public layout of UPMC Food-101."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from bundle.classification.class_cases import ClassCases, Inputs
from bundle.classification.image_text.folder_pictures import FolderPictures, look_through
from bundle.classification.image_text.lacking import tell_lacking
from bundle.classification.image_text.ngrams import HashedNgrams, TextTokens
from bundle.classification.image_text.title_tables import (
    Listed,
    class_names,
    part_word,
    read_titles,
    refuse_other_classes,
    table_of,
)
from bundle.errors import UsageError
from bundle.files.text_file import shown

IMAGE, TEXT = MODALITIES = ("image", "text")


@dataclass(frozen=True)
class PicturesAndTexts:
    """Reads cases of a picture and a text; can be sent to other processes.

    Attributes:
        pictures: N.
        texts: (N, L) int64, numbers of words; 0 is padding, and all of a text that is not there.
    """

    pictures: FolderPictures
    texts: Tensor

    def __call__(self, positions: Sequence[int]) -> Inputs:
        """Return ``image`` (B, 3, S, S) float32 in -1 to 1, and ``text`` (B, L) int64."""
        return {IMAGE: self.pictures(positions), TEXT: self.texts[list(positions)]}


def read_food101(
    path: Path | str,
    part: str,
    *,
    image_size: int = 64,
    max_tokens: int = 64,
    n_buckets: int = 2**14,
    tokens: TextTokens | None = None,
) -> ClassCases:
    """Read the cases of ``texts/PART_titles.csv`` and ``images/PART/CLASS/FILE``.

    All pictures are decoded once, as `decode_picture` says; up to `KEPT_MIB` of them are kept. A
    case without a usable picture, or whose title has no word, lacks that modality; one without both
    is left out. The log says how many these are.
    How many cases there are is not compared with anything: copies differ.

    Args:
        path: holds ``texts`` and ``images``.
        part: ``training`` or ``test``; the classes are those of training, sorted, for both.
        image_size: S, pixels a side.
        max_tokens: L, see `HashedNgrams`.
        n_buckets: see there, too.
        tokens: what makes numbers of a title instead of them.

    Raises:
        UsageError: E_DATALIST, a table cannot be used; E_CLASSES, the test part has a class that
            training has not; E_FOLDER, there is no folder of images, or no such part; E_CASE, no
            case has a usable picture, or none a title.

    Source: Wang et al., Recipe recognition with large multimodal food dataset, ICME workshops 2015.
    """
    root, table = Path(path), table_of(Path(path), part)
    listed = read_titles(table)
    known = class_names(listed if part == "training" else read_titles(table_of(root, "training")))
    refuse_other_classes(listed, known, table)
    pictures, broken = look_through(_paths(root, part, listed), image_size)
    numbers = tokens or HashedNgrams(n_buckets, max_tokens)
    texts = torch.stack([numbers(one.title) for one in listed])
    lacking = {IMAGE: broken, TEXT: _without_words(listed, texts)}
    tell_lacking(table, listed, lacking)
    return _cases(listed, known, PicturesAndTexts(pictures, texts), lacking)


def _paths(root: Path, part: str, listed: Sequence[Listed]) -> list[Path]:
    images = root / "images" / part_word(part)
    if not images.is_dir():
        raise UsageError(
            "E_FOLDER",
            f"{shown(images)} must be the folder of images, one folder in it per class; it is not"
            " there. Unpack the images beside texts.",
        )
    return [images / one.class_name / one.file for one in listed]


def _without_words(listed: Sequence[Listed], texts: Tensor) -> dict[int, str]:
    silent = (~texts.any(dim=1)).nonzero().flatten().tolist()
    return {
        place: "a title without a word" if listed[place].title else "an empty title"
        for place in silent
    }


def _cases(
    listed: Sequence[Listed],
    classes: tuple[str, ...],
    read: PicturesAndTexts,
    lacking: Mapping[str, Mapping[int, str]],
) -> ClassCases:
    """Put the cases together that have anything."""
    there = [[place not in lacking[name] for name in MODALITIES] for place in range(len(listed))]
    used = [place for place, row in enumerate(there) if any(row)]
    number = {name: label for label, name in enumerate(classes)}
    return ClassCases(
        modalities=MODALITIES,
        classes=classes,
        case_ids=tuple(listed[place].case_id for place in used),
        labels=torch.tensor([number[listed[place].class_name] for place in used]),
        presence=torch.tensor([there[place] for place in used]),
        read=PicturesAndTexts(read.pictures.only(used), read.texts[used]),
    )
