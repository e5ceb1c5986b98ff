"""Reads a declaration key by key, so that whatever is wrong is said with the key's name."""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from bundle.errors import SetupError
from bundle.plain_text import printable

Range = tuple[float, float]
"""The smallest and the largest value, from which one is drawn evenly."""


@dataclass(frozen=True)
class Section:
    """A mapping in the file of a task.

    Attributes:
        task: name of the task.
        place: keys that lead to the mapping, such as ``phantom.lesions[0]``.
        content: what was found there.
    """

    task: str
    place: str
    content: Any

    def __post_init__(self) -> None:
        if not isinstance(self.content, Mapping):
            raise _error(self.task, self.place, "must map keys to values", self.content)

    def check_keys(self, needed: Collection[str], optional: Collection[str] = ()) -> None:
        """Refuse keys that mean nothing, and that one is missing.

        Raises:
            SetupError: E_TASK.
        """
        missing = [f"no {key}" for key in needed if key not in self.content]
        unknown = [f"also {key}" for key in self.content if key not in {*needed, *optional}]
        if missing or unknown:
            rule = f"must have {', '.join(needed)}" if needed else "may have only"
            if optional:
                rule += f"{' and may have' if needed else ''} {', '.join(optional)}"
            raise _error(self.task, self.place, rule, ", ".join([*missing, *unknown]))

    def section(self, key: str) -> "Section":
        """Return the mapping of a key."""
        return Section(self.task, f"{self.place}.{key}", self.content[key])

    def sections(self, key: str) -> list["Section"]:
        """Return the mappings in the list of a key."""
        entries = self.content[key]
        if not isinstance(entries, list | tuple):
            raise self.error(key, "must be a list", entries)
        place = f"{self.place}.{key}"
        return [Section(self.task, f"{place}[{i}]", entry) for i, entry in enumerate(entries)]

    def text(self, key: str) -> str:
        """Return the text of a key."""
        value = self.content[key]
        if not isinstance(value, str):
            raise self.error(key, "must be text", value)
        return value

    def choice(self, key: str, options: Collection[Any]) -> Any:
        """Return the value of a key, which must be among some."""
        value = self.content[key]
        if isinstance(value, list | Mapping) or value not in options:
            raise self.error(key, f"must be one of {', '.join(map(str, options))}", value)
        return value

    def number(self, key: str, low: float, high: float) -> float:
        """Return the number of a key."""
        value = self.content[key]
        if not _is_number(value) or not low <= value <= high:
            raise self.error(key, f"must be a number from {low} to {high}", value)
        return float(value)

    def range(self, key: str, low: float, high: float) -> Range:
        """Return the two numbers of a key, the smaller one first."""
        value = self.content[key]
        is_pair = isinstance(value, list | tuple) and len(value) == 2
        if (
            not is_pair
            or not all(map(_is_number, value))
            or not low <= value[0] <= value[1] <= high
        ):
            rule = f"must be two numbers from {low} to {high}, the smaller one first"
            raise self.error(key, rule, value)
        return float(value[0]), float(value[1])

    def error(self, key: str, rule: str, got: Any) -> SetupError:
        """Make the error for a key."""
        return _error(self.task, f"{self.place}.{key}", rule, got)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _error(task: str, place: str, rule: str, got: Any) -> SetupError:
    text = printable(str(got))
    return SetupError("E_TASK", f"Task {task}: {place} {rule}; got {text}. Correct its file.")
