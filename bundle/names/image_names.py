"""Reads the name of one file: is it an image, of which modality, and of which case."""

import re
from pathlib import Path
from typing import NamedTuple

from bundle.names.modality_words import modality_words
from bundle.names.name_words import (
    Word,
    has_contrast,
    has_native,
    is_descriptive,
    is_label_word,
    loose_words,
    meaning,
    texts_of,
    words_of,
)
from bundle.names.vocabulary import CONTRAST, LABEL_WORD, NATIVE, ODD, PLANE, word_set
from bundle.tasks.task import Task

ENDINGS = (".nii.gz", ".nii", ".nrrd", ".nhdr", ".mha", ".mhd", ".mgz", ".mgh", ".hdr.gz", ".hdr")
"""Endings of the images that are looked for, in any case of letters.

``.hdr`` stands for its ``.img`` too.
"""

OTHER_ENDINGS = (
    ".mnc",
    ".nii.bz2",
    ".nii.xz",
    ".nii.zst",
    ".nii.lz4",
    ".nii.zip",
    ".nii.7z",
    ".nia",
    ".nii.z",
)
"""Endings of images that nobody here reads: they are named, not taken."""

LABEL = "seg"
"""What the label file of a case is called where a modality's name would stand."""

_BIDS = re.compile(
    r"(?P<case>sub-[^-_]+(?:_ses-[^-_]+)?)(?P<entities>(?:_[a-z]+-[^-_]+)*)_(?P<suffix>[^-_]+)",
    re.I,
)
_MAGNITUDE = "mag"
"""The part of a complex image that is a scan to look at; others are phase, real and imaginary."""

_NO_AGENT = word_set("none no pre native nat nativ without 0")
_MAYBE_CONTRAST = re.compile(r"gd|gad|post|contrast|^ce|ce$|km$", re.I)
_REPEATS = re.compile(r"(run|echo)\d*")


class ImageName(NamedTuple):
    """What a file's name says, taken by itself.

    Attributes:
        kind: a modality, `LABEL`, or None if the name does not say it or leaves a doubt.
        stem: what stands before the words that say it, the case's own name.
        plain_kind: the same if the words before the modality's belong to the case's name
            (``KM_t1``), else None.
        plain_stem: the case's name then.
        is_hinted: of a scan that seems native, a word for contrast agent stands elsewhere in the
            name.
        has_agent: it says that a contrast agent was given.
    """

    kind: str | None
    stem: str
    plain_kind: str | None = None
    plain_stem: str = ""
    is_hinted: bool = False
    has_agent: bool = False


def is_image(path: Path) -> bool:
    """Whether a file is named like an image that can be looked at."""
    return is_image_name(path.name)


def is_image_name(name: str) -> bool:
    """Whether a name is that of an image that can be looked at."""
    # Hidden ones are no images: macOS leaves a "._CASE-t1c.nii.gz" beside each file that it copies.
    return name.lower().endswith(ENDINGS) and not name.startswith(".")


def is_other_image(path: Path) -> bool:
    """Whether a file is named like an image of a kind that nobody here reads."""
    return path.name.lower().endswith(OTHER_ENDINGS) and not path.name.startswith(".")


def base_name(name: str) -> str:
    """Return a file's name without the ending of an image.

    Dots inside stay, as in ``1.2.840.nii.gz``.
    """
    ending = next((end for end in (*ENDINGS, *OTHER_ENDINGS) if name.lower().endswith(end)), "")
    return name[: len(name) - len(ending)]


def is_label_name(name: str) -> bool:
    """Whether a file's name says that it holds labels or a mask."""
    return any(map(is_label_word, texts_of(base_name(name))))


def is_only_descriptive(name: str, task: Task) -> bool:
    """Whether a file's name says what was scanned and nothing about whom."""
    return all(is_descriptive(word) for word in words_of(base_name(name), task))


def read_name(name: str, task: Task) -> ImageName:
    """Read a file's name by the words of a task's modalities."""
    base = base_name(name)
    bids = _BIDS.fullmatch(base)
    return _read_bids(bids, task) if bids else _read_words(base, task)


def _read_bids(match: re.Match[str], task: Task) -> ImageName:
    """Read a name of the Brain Imaging Data Structure: ``sub-01_ses-1_ce-gadolinium_T1w``."""
    stem, words = match.group("case"), words_of(match.group("suffix"), task)
    if [word.text for word in words] == [LABEL]:
        return ImageName(LABEL, stem)
    entities = dict(
        part.lower().split("-", 1) for part in match.group("entities").split("_") if part
    )
    if entities.get("part", _MAGNITUDE) != _MAGNITUDE:
        return ImageName(None, stem)
    agent = entities.pop("ce", None)
    described = [
        word
        for key in ("acq", "rec", "desc")
        for word in words_of(entities.get(key, ""), task)
        if word.kinds
    ]
    certain = [word for word in described if word.text != "post"]
    if agent is not None:
        certain.append(Word((NATIVE if agent in _NO_AGENT else CONTRAST,), 0, agent))
    kind = meaning([*words, *certain], task)
    is_silent = not has_contrast(certain) and not has_native(certain) and not has_contrast(words)
    if (
        kind in modality_words(task).natives
        and is_silent
        and any(_MAYBE_CONTRAST.search(value) for value in entities.values())
    ):
        kind = None
    return ImageName(kind, stem, has_agent=has_contrast([*words, *certain]))


def _read_words(base: str, task: Task) -> ImageName:
    words = words_of(base, task)
    if words and words[-1].text == LABEL:
        return ImageName(LABEL, _before(base, words, _start(base, words[:-1], planes_only=True)))
    start = _start(base, words)
    start += loose_words(words[start:])
    tail = words[start:]
    named = [index for index, word in enumerate(tail) if word.names_modality]
    if not named:
        return ImageName(None, base)
    lead, rest = tail[: named[0]], tail[named[0] :]
    kind, is_silent = meaning(tail, task), not (has_contrast(tail) or has_native(tail))
    seems_native = kind in modality_words(task).natives and is_silent
    if seems_native and any(PLANE in word.kinds or _REPEATS.fullmatch(word.text) for word in rest):
        kind = None  # "T1_mprage" may be either, and says more than "T1" does
    stem = _before(base, words, start)
    is_hinted = seems_native and kind is not None and has_contrast(words[:start])
    result = ImageName(kind, stem, is_hinted=is_hinted, has_agent=has_contrast(tail))
    if not (
        has_contrast(lead)
        or has_native(lead)
        or any({ODD, LABEL_WORD} & set(word.kinds) for word in lead)
    ):
        return result
    return result._replace(
        plain_kind=meaning(rest, task), plain_stem=_before(base, words, start + named[0])
    )


def _start(base: str, words: list[Word], *, planes_only: bool = False) -> int:
    """Find the first of the words at the end that all say what the scan is."""
    index = len(words)
    while index:
        word = words[index - 1]
        if word.text.isdigit() and index > 1 and words[index - 2].text in ("run", "echo"):
            index -= 2
            continue
        says = word.kinds == (PLANE,) if planes_only else is_descriptive(word)
        if not (says or _REPEATS.fullmatch(word.text)) or base[: word.start].lower().endswith(
            ("ses-", "sub-")
        ):
            break
        index -= 1
    return index


def _before(base: str, words: list[Word], index: int) -> str:
    end = words[index].start if index < len(words) else len(base)
    return base[:end].rstrip("-_. ([{,;")
