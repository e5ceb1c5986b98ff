"""The words that name the modalities of a task, and what they mean together with others."""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

from bundle.names.vocabulary import CONTRAST_WORDS, NATIVE_WORDS
from bundle.tasks.parts import Modality
from bundle.tasks.task import Task


class Named(NamedTuple):
    """What a word names: a modality, or a family of which the contrast agent tells which."""

    name: str
    is_family: bool


class ModalityWords:
    """The words of a task's modalities, made ready to read names; see `modality_words`.

    Attributes:
        meanings: word to what it names.
        joined: matches a word for a modality with one for contrast agent before or after it.
        natives: modalities that are acquired without contrast agent, where that tells them apart.
        enhanced: modalities that are acquired with it.
    """

    def __init__(self, task: Task) -> None:
        self._modalities = task.modalities
        self._over = {modality.name: modality.over for modality in task.modalities}
        self.meanings = _meanings(task)
        agent = _any_of(CONTRAST_WORDS | NATIVE_WORDS)
        self.joined = re.compile(
            rf"(?P<before>{agent})?(?P<modality>{_any_of(self.meanings)})(?P<after>{agent})?"
        )
        self.natives = frozenset(one.name for one in task.modalities if one.agent is False)
        self.enhanced = frozenset(one.name for one in task.modalities if one.agent)

    def chosen(self, named: set[Named], *, contrast: bool, native: bool) -> str | None:
        """Return the modality that words name together; None if none, or if they leave a doubt.

        Args:
            named: what the words name, one by one.
            contrast: they say that a contrast agent was given.
            native: they say that none was.
        """
        hidden = {self._over.get(kind.name) for kind in named if not kind.is_family}
        left = {kind for kind in named if kind.is_family or kind.name not in hidden}
        if len(left) != 1 or (contrast and native):
            return None
        (kind,) = left
        fitting = [
            modality.name
            for modality in self._modalities
            if _fits(modality, kind, contrast=contrast, native=native)
        ]
        return fitting[0] if len(fitting) == 1 else None


@lru_cache(maxsize=64)
def modality_words(task: Task) -> ModalityWords:
    """Return the words of a task; they are made ready once."""
    return ModalityWords(task)


def _meanings(task: Task) -> dict[str, Named]:
    families: dict[str, Named] = {}
    for name, words in task.families.items():
        families |= dict.fromkeys(map(str.lower, words), _of_family(name, task))
    own: dict[str, Named] = {}
    for modality in task.modalities:
        for word in modality.words or (modality.name, *modality.aliases):
            if modality.words or word.lower() not in families:
                own[word.lower()] = Named(modality.name, is_family=False)
    return families | own


def _of_family(name: str, task: Task) -> Named:
    """Return what a word of a family names: its one member, if that needs no contrast agent."""
    members = [modality for modality in task.modalities if modality.family == name]
    if len(members) == 1 and not members[0].agent:
        return Named(members[0].name, is_family=False)
    return Named(name, is_family=True)


def _fits(modality: Modality, kind: Named, *, contrast: bool, native: bool) -> bool:
    """Whether a word may mean a modality, by what others say of a contrast agent.

    A word of a family means the modality without contrast agent unless another says that one was
    given. A modality of which that is not known stays what it is.
    """
    if kind.is_family:
        return modality.family == kind.name and modality.agent in (None, contrast)
    contradicted = (modality.agent is False and contrast) or (modality.agent is True and native)
    return modality.name == kind.name and not contradicted


def _any_of(words: Iterable[str]) -> str:
    """Return a pattern that matches the longest of the words."""
    return "|".join(map(re.escape, sorted(words, key=len, reverse=True)))
