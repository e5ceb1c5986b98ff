"""Reads YAML: with libyaml where it is, which takes a tenth of the time, and every key once."""

from pathlib import Path
from typing import Any

import yaml

_DEEPEST = 1000
"""Nested deeper, libyaml ends the process where the loader in Python raises an error."""


def read_yaml(path: Path) -> Any:
    """Read a YAML file; a key that stands twice in a mapping is refused, not overwritten.

    Raises:
        OSError: it cannot be opened.
        UnicodeDecodeError: it is no UTF-8.
        yaml.YAMLError: it is no YAML, or holds a key twice.
        RecursionError: it is nested too deeply.
    """
    text = path.read_text(encoding="utf-8")
    may_be_deep = _depth_at_most(text) > _DEEPEST
    return yaml.load(text, _Loader if may_be_deep else _FastLoader)


def _depth_at_most(text: str) -> int:
    """Bound the nesting of a text: each level takes a bracket, or a column in some line."""
    return text.count("[") + text.count("{") + max(map(len, text.splitlines()), default=0)


class _DistinctKeys:
    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    raise yaml.YAMLError(f"the key {key.value!r} twice in one mapping")
                seen.add(key.value)
        content: dict[Any, Any] = super().construct_mapping(node, deep)  # type: ignore[misc]
        return content


class _Loader(_DistinctKeys, yaml.SafeLoader):
    """The loader in Python."""


class _FastLoader(_DistinctKeys, getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """That of libyaml, where PyYAML was built with it."""
