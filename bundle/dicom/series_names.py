"""What the descriptions of a series say: which kind it is, and whether contrast agent was given."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from bundle.dicom.series import Series
from bundle.names.name_words import has_contrast, has_native, words_of
from bundle.names.vocabulary import CONTRAST
from bundle.tasks.series_rules import SeriesKind
from bundle.tasks.task import Task

_SEPARATORS = re.compile(r"[^a-z0-9+*]+")
_JOINED_PLUS = re.compile(r"(?<=\w)\+(?=[a-z])")
_TREATMENT = re.compile(
    r"\b(pre|post) ?(op|ops|operati\w*|surg\w*|resection|rt|rx|radi\w*|chemo\w*|therap\w*"
    r"|treatment|biopsy|trauma|stroke)\b"
)
"""Before and after something else than contrast agent."""


@dataclass(frozen=True)
class Names:
    """What names say.

    Attributes:
        kinds: names of the kinds that they speak of.
        contrast: they say that a contrast agent was given.
        native: they say that none was.
        shown: what was read, for people.
    """

    kinds: frozenset[str]
    contrast: bool
    native: bool
    shown: str


def judge_names(series: Series, kinds: Iterable[SeriesKind], task: Task) -> Names:
    """Read SeriesDescription and ProtocolName; both may say something, and contradict each other.

    The protocol is asked for the contrast agent only where the description says nothing: it is
    often copied from the series before the injection.
    """
    texts = list(dict.fromkeys(filter(None, (series.first.description, series.first.protocol))))
    plain = [plain_text(text) for text in texts]
    found = frozenset(kind.name for kind in kinds for text in plain if _speaks_of(kind, text))
    contrast = native = False
    for text in plain:
        words = words_of(_JOINED_PLUS.sub(" +", _TREATMENT.sub(" ", text)), task)
        contrast, native = has_contrast(words), has_native(words)
        if contrast or native:
            break
    return Names(found, contrast, native, " / ".join(texts))


def plain_text(text: str) -> str:
    """Return a description in lower case, with a space for all but letters, digits, + and *."""
    return _SEPARATORS.sub(" ", text.lower()).strip()


def without_contrast(series: Series, task: Task) -> str:
    """Return a description without its words for contrast agent, to find its twin by."""
    plain = _JOINED_PLUS.sub(" +", plain_text(series.first.description))
    kept = [word.text for word in words_of(plain, task) if CONTRAST not in word.kinds]
    return " ".join(kept)


def _speaks_of(kind: SeriesKind, text: str) -> bool:
    if kind.not_names and re.search(kind.not_names, text):
        return False
    return re.search(kind.names, text) is not None
