"""Reads a JSON file that a user made, or says in one sentence why it cannot be used."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

from bundle.errors import UsageError
from bundle.files.text_file import read_text, shown

MAX_VALUES = 10_000_000
"""Some for each of a million cases. An empty list takes 3 bytes in the file and 30 times as many in
memory.
"""

_MAX_DIGITS = 300


def read_json(path: Path) -> Any:
    """Read a JSON file strictly: a key that stands twice in an object is refused, not overwritten.

    Raises:
        UsageError: E_JSON, it cannot be read, is not JSON, or is too large or too deep to be a list
            of cases.
    """
    text = read_text(path, "JSON", "E_JSON")
    if sum(map(text.count, "[{,")) > MAX_VALUES:
        raise _error(
            path, f"must hold at most {MAX_VALUES} values", "more", "Divide it, or check the path."
        )
    try:
        return json.loads(text, object_pairs_hook=_distinct, parse_int=_whole)
    except RecursionError:
        raise _error(
            path, "must be JSON", "lists or objects nested too deeply", "Write it again."
        ) from None
    except ValueError as error:
        raise _error(path, "must be JSON", str(error), "Correct it, or write it again.") from None


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        doubled = min(
            name for name, count in Counter(name for name, _ in pairs).items() if count > 1
        )
        raise ValueError(f"the key {shown(doubled, 60)!r} twice in one object")
    return content


def _whole(digits: str) -> int:
    if len(digits) > _MAX_DIGITS:
        raise ValueError(f"a number of {len(digits)} digits")
    return int(digits)


def _error(path: Path, rule: str, got: str, remedy: str) -> UsageError:
    return UsageError("E_JSON", f"{shown(path)} {rule}; got: {got}. {remedy}")
