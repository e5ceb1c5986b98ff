"""The words by which people say in a file's name what an MRI scan is."""

import re
from collections.abc import Iterable
from typing import NamedTuple

from bundle.names.vocabulary import (
    CONTRAST,
    CONTRAST_WORDS,
    FILLERS,
    LABEL_WORD,
    LABEL_WORDS,
    MODALITY_WORDS,
    NATIVE,
    NATIVE_WORDS,
    NEGATIONS,
    ODD,
    ODD_WORDS,
    PLANE,
    PLANE_WORDS,
    T1,
)
from bundle.tasks.modalities import MODALITIES


def _any_of(words: Iterable[str]) -> str:
    """Return a pattern that matches the longest of the words."""
    return "|".join(map(re.escape, sorted(words, key=len, reverse=True)))


_AGENT = _any_of(CONTRAST_WORDS | NATIVE_WORDS)
_JOINED = re.compile(
    rf"(?P<before>{_AGENT})?(?P<modality>{_any_of(MODALITY_WORDS)})(?P<after>{_AGENT})?"
)


class Word(NamedTuple):
    """A word of a name: what it says, none if it says nothing, and where it stands."""

    kinds: tuple[str, ...]
    start: int
    text: str


def words_of(name: str) -> list[Word]:
    """Split a name into words and tell what each says about the scan; ``T1post`` says two
    things.
    """
    return [
        Word(_kinds(match.group().lower()), match.start(), match.group().lower())
        for match in re.finditer(r"[^-_.,;\s()\[\]{}]+", name)
    ]


def is_label_word(text: str) -> bool:
    """Whether a word says that a file holds labels and no scan."""
    return text in LABEL_WORDS or text.endswith(("mask", "segm", "seg", "labels"))


def meaning(words: list[Word]) -> str | None:
    """Tell the modality that words name together; None if none, or if they leave a doubt.

    ``post contrast`` and ``ce`` say that a contrast agent was given, ``pre`` and ``no contrast``
    that none was. A T1 with neither is native. T2 and FLAIR stay what they are, whether an agent
    was given or not.
    """
    kinds = [kind for word in words for kind in word.kinds]
    modalities = {kind for kind in kinds if kind in MODALITIES or kind == T1}
    if modalities == {"t2w", "t2f"}:  # t2_flair
        modalities = {"t2f"}
    contrast, native = has_contrast(words), has_native(words)
    if (
        len(modalities) != 1
        or (contrast and native)
        or {ODD, LABEL_WORD} & set(kinds)
        or _is_open(words)
    ):
        return None
    (modality,) = modalities
    if modality == T1:
        return "t1c" if contrast else "t1n"
    if (modality == "t1n" and contrast) or (modality == "t1c" and native):
        return None
    return modality


def has_contrast(words: list[Word]) -> bool:
    """Whether words say that a contrast agent was given."""
    return any(
        CONTRAST in word.kinds
        for word, negated in _negated(words)
        if not negated or word.text == "post"
    )


def has_native(words: list[Word]) -> bool:
    """Whether words say that no contrast agent was given."""
    return any(
        NATIVE in word.kinds or (CONTRAST in word.kinds and negated)
        for word, negated in _negated(words)
    )


def is_descriptive(word: Word) -> bool:
    """Whether a word may stand among those that say what a scan is."""
    return bool(word.kinds) or word.text in NEGATIONS or word.text in FILLERS


def loose_words(words: list[Word]) -> int:
    """Count the words at the start, such as ``after``, that say something only together with one
    that is not there.
    """
    for index, word in enumerate(words):
        if (
            word.kinds
            or not is_descriptive(word)
            or not _is_open(words[index : index + 1] + _rest(words, index))
        ):
            return index
    return len(words)


def _rest(words: list[Word], index: int) -> list[Word]:
    """Return what follows a word up to the first that names a modality."""
    following = words[index + 1 :]
    ends = [
        n
        for n, word in enumerate(following)
        if T1 in word.kinds or set(word.kinds) & set(MODALITIES)
    ]
    return following[: ends[0]] if ends else following


def _is_open(words: list[Word]) -> bool:
    """Whether a word such as ``no`` or ``after`` stands there without the contrast agent that
    it speaks of.
    """
    waiting = False
    for word in words:
        if CONTRAST in word.kinds:
            waiting = False
        elif not word.kinds and is_descriptive(word):
            waiting = True
        elif waiting:
            return True
    return waiting


def _negated(words: list[Word]) -> list[tuple[Word, bool]]:
    """Pair words with whether a word such as ``no`` stands before them; ``post contrast`` is one
    thing said twice.
    """
    pairs, negated = [], False
    for word in words:
        pairs.append((word, negated))
        negated = word.text in NEGATIONS or (negated and word.text in CONTRAST_WORDS)
    return pairs


def _kinds(text: str) -> tuple[str, ...]:
    if text in ODD_WORDS:
        return (ODD,)
    if text in PLANE_WORDS:
        return (PLANE,)
    if is_label_word(text):
        return (LABEL_WORD,)
    whole = _agent_kind(text)
    match = None if whole else _JOINED.fullmatch(text)
    if match is None:
        return (whole,) if whole else ()
    parts = (
        _agent_kind(match.group("before")),
        MODALITY_WORDS[match.group("modality")],
        _agent_kind(match.group("after")),
    )
    return tuple(part for part in parts if part)


def _agent_kind(text: str | None) -> str | None:
    if not text:
        return None
    return CONTRAST if text in CONTRAST_WORDS else NATIVE if text in NATIVE_WORDS else None
