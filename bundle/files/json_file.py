"""Reads and writes JSON: strictly, so that nothing is guessed, and the same way everywhere."""

import json
import math
from collections import Counter
from pathlib import Path
from typing import Any

from bundle.errors import UsageError
from bundle.files.atomic_file import appearing_at_once
from bundle.files.text_file import read_text, shown

MAX_VALUES = 10_000_000
"""Some for each of a million cases. An empty list takes 3 bytes in the file and 30 times as many in
memory.
"""

_MAX_DIGITS = 300


class NestingError(ValueError):
    """JSON is nested more deeply than it can be read."""


def read_json(path: Path) -> Any:
    """Read a JSON file that a user made, or say in one sentence why it cannot be used.

    Here NaN is a value, as some programs write it for an empty cell.

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
        return parse_json(text, finite=False)
    except NestingError as error:
        raise _error(path, "must be JSON", str(error), "Write it again.") from None
    except ValueError as error:
        raise _error(path, "must be JSON", str(error), "Correct it, or write it again.") from None


def parse_json(content: str | bytes, *, finite: bool = True) -> Any:
    """Read JSON strictly: a key that stands twice in an object is refused, not overwritten.

    Args:
        content: of a size that its origin was held to.
        finite: refuse NaN, infinity, and numbers too large for a float.

    Raises:
        ValueError: it is no JSON, or nested too deeply.
    """
    bounds: dict[str, Any] = {"parse_constant": _refuse, "parse_float": _finite} if finite else {}
    try:
        return json.loads(content, object_pairs_hook=_distinct, parse_int=_whole, **bounds)
    except RecursionError:
        raise NestingError("lists or objects nested too deeply") from None


def json_bytes(value: Any) -> bytes:
    """Write a value as the text of a file in UTF-8.

    What is no text, as in names of files, becomes JSON's escape of it.

    Raises:
        ValueError: a number is NaN or infinite, which JSON does not have.
    """
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
    return f"{text}\n".encode(errors="backslashreplace")


def script_json(value: Any) -> str:
    """Return a value as JSON in ASCII that may stand in a script of a page: it holds no markup.

    Raises:
        ValueError: a number is NaN or infinite.
    """
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def write_json(path: Path, value: Any) -> None:
    """Write a value as a JSON file, whole or not at all.

    Raises:
        OutputError: E_WRITE, nothing is left behind.
        ValueError: as `json_bytes`.
    """
    content = json_bytes(value)
    with appearing_at_once(path) as file:
        file.write(content)


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        counts = Counter(name for name, _ in pairs)
        doubled = min(name for name, count in counts.items() if count > 1)
        raise ValueError(f"the key {shown(doubled, 60)!r} twice in one object")
    return content


def _whole(digits: str) -> int:
    if len(digits) > _MAX_DIGITS:
        raise ValueError(f"a number of {len(digits)} digits")
    return int(digits)


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is no number")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text[:40]} is too large")
    return value


def _error(path: Path, rule: str, got: str, remedy: str) -> UsageError:
    return UsageError("E_JSON", f"{shown(path)} {rule}; got: {got}. {remedy}")
