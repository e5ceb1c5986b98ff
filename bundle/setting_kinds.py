"""Kinds of values that a setting may have: what is accepted, and the rule in words."""

import math
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bundle.errors import SetupError

WHOLE = "whole"
"""As ``roi_size``: one window over all of a case that is not background."""

_TEXT = re.compile(r"[\w.:+-]+")
_SHARE = re.compile(r"(\d+)/(\d+)")
_INFINITY = math.inf


@dataclass(frozen=True)
class Kind:
    """What a setting may be.

    Attributes:
        rule: what a value must be, in words.
        accepts: tells whether a value is that.
        is_plain_text: on a command line the value is read as it stands; else as YAML.
        is_path: text stands for a file or folder; ``~`` is the user's home.
    """

    rule: str
    accepts: Callable[[Any], bool]
    is_plain_text: bool = False
    is_path: bool = False


def number(rule: str, low: float, high: float = _INFINITY, *, ends: str = "[]") -> Kind:
    """Make the kind of numbers from ``low`` to ``high``.

    A round bracket in ``ends`` leaves that end out.
    """
    return Kind(rule, lambda value: _is_number(value) and _lies_between(value, low, high, ends))


def whole(low: int, high: float = _INFINITY) -> Kind:
    """Make the kind of whole numbers from ``low`` to ``high``."""
    limit = f"from {low} to {high}" if high < _INFINITY else f"of at least {low}"
    return Kind(f"a whole number {limit}", lambda value: _is_whole(value) and low <= value <= high)


def choice(*options: str) -> Kind:
    """Make the kind of one among several words."""
    return Kind(
        f"one of {', '.join(options)}",
        lambda value: isinstance(value, str) and value in options,
        True,
    )


def optional(kind: Kind) -> Kind:
    """Make the kind that also knows null."""
    accepts = kind.accepts
    rule = f"{kind.rule}, or null"
    return Kind(
        rule, lambda value: value is None or accepts(value), kind.is_plain_text, kind.is_path
    )


def _is_number(value: Any) -> bool:
    return (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and abs(value) <= sys.float_info.max
    )


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _lies_between(value: float, low: float, high: float, ends: str) -> bool:
    above = low < value if ends[0] == "(" else low <= value
    return above and (value < high if ends[1] == ")" else value <= high)


def is_path(value: Any) -> bool:
    """Whether a value can stand for a file or folder."""
    return isinstance(value, Path) or (isinstance(value, str) and value != "" and "\0" not in value)


def _are_paths(value: Any) -> bool:
    return is_path(value) or (
        isinstance(value, list | tuple) and len(value) > 0 and all(map(is_path, value))
    )


def is_window(value: Any) -> bool:
    """Whether a value is a window of three sizes, or ``whole``."""
    return value == WHOLE or (
        isinstance(value, list | tuple)
        and len(value) == 3
        and all(_is_whole(size) and size >= 1 for size in value)
    )


def are_words(value: Any) -> bool:
    """Whether a value is a list of words."""
    return (
        isinstance(value, list | tuple) and len(value) > 0 and all(_is_word(word) for word in value)
    )


def are_widths(value: Any) -> bool:
    """Whether a value is a list of two whole numbers or more, of at least 1."""
    return (
        isinstance(value, list | tuple)
        and len(value) > 1
        and all(_is_whole(width) and width >= 1 for width in value)
    )


def is_share(value: Any) -> bool:
    """Whether a value is a part of many, such as ``3/10``."""
    found = _SHARE.fullmatch(value) if isinstance(value, str) else None
    return found is not None and 1 <= int(found.group(1)) <= int(found.group(2))


def _is_word(value: Any) -> bool:
    return isinstance(value, str) and bool(_TEXT.fullmatch(value))


def are_shares(value: Any) -> bool:
    """Whether a value maps names to shares from 0 to 1."""
    return isinstance(value, Mapping) and all(
        _is_word(name) and _is_number(share) and 0 <= share <= 1 for name, share in value.items()
    )


def are_patterns(value: Any) -> bool:
    """Whether a value maps texts to texts, none of them empty."""
    return isinstance(value, Mapping) and all(
        isinstance(text, str) and text != "" for pair in value.items() for text in pair
    )


FLAG = Kind(
    "true or false (for monai.bundle: True or False)", lambda value: isinstance(value, bool)
)
AUTO_FLAG = Kind(
    "auto, true or false (for monai.bundle: auto, True or False)",
    lambda value: isinstance(value, bool) or value == "auto",
)
WORD = Kind("a word", _is_word, is_plain_text=True)
PATH = Kind(
    "a path (write a name that looks like a number as ./NAME)",
    is_path,
    is_plain_text=True,
    is_path=True,
)
PATHS = Kind("a path or several ([a.pt, b.pt])", _are_paths, is_plain_text=True, is_path=True)
SHARE = number("a number from 0 to 1", 0, 1)
NOT_NEGATIVE = number("a number of at least 0", 0)
POSITIVE = number("a number greater than 0", 0, ends="(]")
BELOW_ONE = number("a number from 0 to less than 1", 0, 1, ends="[)")


def check_kind(name: str, value: Any, kind: Kind) -> None:
    """Refuse a value of the wrong kind.

    Raises:
        SetupError: E_SETTING.
    """
    if not kind.accepts(value):
        raise SetupError(
            "E_SETTING", f"{name} must be {kind.rule}; got {value!r}. Change the setting."
        )


def kind_of(value: Any) -> Kind | None:
    """Derive what may replace a value of which nothing else is known; None where anything may."""
    if isinstance(value, bool):
        return FLAG
    if isinstance(value, int):
        return Kind("a whole number", _is_whole)
    if isinstance(value, float):
        return Kind("a number", _is_number)
    if isinstance(value, list):
        return Kind("a list", lambda other: isinstance(other, list | tuple))
    if isinstance(value, Mapping):
        return Kind("a mapping", lambda other: isinstance(other, Mapping))
    return (
        Kind("text", lambda other: isinstance(other, str | Path))
        if isinstance(value, str)
        else None
    )
