"""The words by which people say in a file's name what an MRI scan is."""

import re
from typing import NamedTuple

from bundle.names.modality_words import ModalityWords, Named, modality_words
from bundle.names.vocabulary import (
    CONTRAST,
    CONTRAST_WORDS,
    FILLERS,
    LABEL_WORD,
    LABEL_WORDS,
    NATIVE,
    NATIVE_WORDS,
    NEGATIONS,
    ODD,
    ODD_WORDS,
    PLANE,
    PLANE_WORDS,
)
from bundle.tasks.task import Task

_WORD = re.compile(r"[^-_.,;\s()\[\]{}]+")


class Word(NamedTuple):
    """A word of a name: what it says, nothing or several things, and where it stands."""

    kinds: tuple[str | Named, ...]
    start: int
    text: str

    @property
    def names_modality(self) -> bool:
        """Whether it names a modality, or a family of them."""
        return any(isinstance(kind, Named) for kind in self.kinds)


def words_of(name: str, task: Task) -> list[Word]:
    """Split a name into words and tell what each says about the scan.

    ``T1post`` says two things.
    """
    words = modality_words(task)
    return [
        Word(_kinds(match.group().lower(), words), match.start(), match.group().lower())
        for match in _WORD.finditer(name)
    ]


def texts_of(name: str) -> list[str]:
    """Split a name into words, in lower case."""
    return _WORD.findall(name.lower())


def is_label_word(text: str) -> bool:
    """Whether a word says that a file holds labels and no scan."""
    return text in LABEL_WORDS or text.endswith(("mask", "segm", "seg", "labels"))


def meaning(words: list[Word], task: Task) -> str | None:
    """Tell the modality that words name together; None if none, or if they leave a doubt.

    ``post contrast`` and ``ce`` say that a contrast agent was given, ``pre`` and ``no contrast``
    that none was. A word such as T1, which both may be called, alone is native. T2 and FLAIR stay
    what they are, whether an agent was given or not.
    """
    kinds = {kind for word in words for kind in word.kinds}
    if kinds & {ODD, LABEL_WORD} or _is_open(words):
        return None
    return modality_words(task).chosen(
        {kind for kind in kinds if isinstance(kind, Named)},
        contrast=has_contrast(words),
        native=has_native(words),
    )


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
    ends = [n for n, word in enumerate(following) if word.names_modality]
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
    """Pair words with whether a word such as ``no`` stands before them.

    ``post contrast`` is one thing said twice.
    """
    pairs, negated = [], False
    for word in words:
        pairs.append((word, negated))
        negated = word.text in NEGATIONS or (negated and word.text in CONTRAST_WORDS)
    return pairs


def _kinds(text: str, words: ModalityWords) -> tuple[str | Named, ...]:
    if text in words.meanings:
        return (words.meanings[text],)
    if text in ODD_WORDS:
        return (ODD,)
    if text in PLANE_WORDS:
        return (PLANE,)
    if is_label_word(text):
        return (LABEL_WORD,)
    whole = _agent_kind(text)
    match = None if whole else words.joined.fullmatch(text)
    if match is None:
        return (whole,) if whole else ()
    parts = (
        _agent_kind(match.group("before")),
        words.meanings[match.group("modality")],
        _agent_kind(match.group("after")),
    )
    return tuple(part for part in parts if part)


def _agent_kind(text: str | None) -> str | None:
    if not text:
        return None
    return CONTRAST if text in CONTRAST_WORDS else NATIVE if text in NATIVE_WORDS else None
