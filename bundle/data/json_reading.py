"""Reads a JSON file that a user made, or says in one sentence why it cannot be used."""

import json
from pathlib import Path
from typing import Any

from bundle.errors import UsageError


def read_json(path: Path) -> Any:
    """Read a JSON file strictly: a key that stands twice in an object is refused, not overwritten.

    Raises:
        UsageError: E_JSON, it cannot be read or is not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"), object_pairs_hook=_distinct)
    except OSError as error:
        raise UsageError("E_JSON", f"{path} must be readable; got: {error.strerror}. Check the path.") from None
    except (ValueError, RecursionError) as error:
        raise UsageError("E_JSON", f"{path} must be JSON; got: {error}. Correct it, or write it again.") from None


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        names = [name for name, _ in pairs]
        doubled = sorted({name for name in names if names.count(name) > 1})
        raise ValueError(f"the key {doubled[0]!r} twice in one object")
    return content
