"""How scores name the modalities, modality sets and regions of a task."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import Any

from bundle.tasks.task import Task

GIVEN = "given"
"""Stands for the modality set where the input modalities are unknown."""

_SEPARATOR = "+"


@dataclass(frozen=True)
class TaskNames:
    """The words of a task in which scores and reports are written; a report stores them.

    Attributes:
        task: name of the task.
        titles: modality to its title, in the order of the image's channels.
        regions: in the order of the network's channels; none where cases have classes.
    """

    task: str
    titles: Mapping[str, str]
    regions: tuple[str, ...]

    @classmethod
    def of(cls, task: Task) -> "TaskNames":
        """Return the names of a task."""
        titles = {modality.name: modality.title for modality in task.modalities}
        return cls(task.name, titles, task.region_names)

    @property
    def modalities(self) -> tuple[str, ...]:
        """Names of the modalities, in the order of the image's channels."""
        return tuple(self.titles)

    @cached_property
    def all_sets(self) -> tuple[str, ...]:
        """Names of all modality sets in the order of tables: small ones first, ``GIVEN`` last."""
        return (*self.modality_sets, GIVEN)

    @cached_property
    def modality_sets(self) -> tuple[str, ...]:
        """Names of the sets of known modalities, small ones first."""
        sets: list[str] = []
        for size in range(1, len(self.titles) + 1):
            sets += map(_SEPARATOR.join, combinations(self.titles, size))
        return tuple(sets)

    def set_name(self, names: Iterable[str]) -> str:
        """Name a modality set by its members, in the order of the modalities: ``t1c+t2f``."""
        chosen = set(names)
        return _SEPARATOR.join(modality for modality in self.titles if modality in chosen)

    def set_title(self, name: str) -> str:
        """Name a modality set for readers: ``T1ce+FLAIR``."""
        return _SEPARATOR.join(self.titles[modality] for modality in set_members(name)) or name

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON."""
        return {
            "name": self.task,
            "modalities": dict(self.titles),
            "regions": list(self.regions),
        }

    @classmethod
    def from_json(cls, facts: Mapping[str, Any]) -> "TaskNames":
        """Read what ``to_json`` returned.

        Raises:
            KeyError, TypeError, ValueError: these are other facts.
        """
        titles = {str(name): str(title) for name, title in dict(facts["modalities"]).items()}
        return cls(str(facts["name"]), titles, tuple(map(str, facts["regions"])))


def set_members(name: str) -> tuple[str, ...]:
    """Return the modalities of a set by its name; none for ``GIVEN``."""
    return () if name == GIVEN else tuple(name.split(_SEPARATOR))
