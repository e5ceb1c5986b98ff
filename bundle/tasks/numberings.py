"""Numberings of label maps on disk, and the collections of cases whose names tell them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

AUTO = "auto"
"""Stands for the numbering that names and values of label maps tell."""


@dataclass(frozen=True, eq=False)
class Numbering:
    """What the values of label maps on disk mean.

    Attributes:
        name: as users write it.
        values: value on disk to value here, with 0 for the background; where two on disk are one
            here, the first of them is written.
        others: values on disk that name something else than the task's finding: they belong to no
            region and are read as background.
        others_words: pattern that names them in the description of a data set.
        note: what is lost of a numbering that tells more apart than the task does.
        ending: what stands before ``seg`` in the names of its files, such as ``-``.
        decathlon: value on disk to the pattern that its name in a Decathlon's description begins
            with.
    """

    name: str
    values: Mapping[int, int]
    others: Mapping[int, str] = field(default_factory=dict)
    others_words: str | None = None
    note: str | None = None
    ending: str | None = None
    decathlon: Mapping[int, str] = field(default_factory=dict)

    @property
    def table(self) -> dict[int, int]:
        """All values that a file may hold, in the order of the declaration: on disk to here."""
        return {0: 0, **self.values, **dict.fromkeys(self.others, 0)}

    @property
    def written(self) -> dict[int, int]:
        """Values that label maps are written with, sorted: on disk to here."""
        first: dict[int, int] = {}
        for disk, here in {0: 0, **self.values}.items():
            first.setdefault(here, disk)
        return dict(sorted((disk, here) for here, disk in first.items()))

    def read(self, label: NDArray[np.integer]) -> NDArray[np.uint8]:
        """Renumber a label map as it is on disk, (...) integers, into the task's values, uint8.

        Raises:
            ValueError: the map holds a value that the numbering does not have.
        """
        table = self.table
        unknown = sorted(set(np.unique(label).tolist()) - set(table))
        if unknown:
            raise ValueError(
                f"label values must be among {sorted(table)} for {self.name}; got also {unknown}."
            )
        return _lookup(table)[label.astype(np.int64)]

    def write(self, label: NDArray[np.integer]) -> NDArray[np.uint8]:
        """Renumber a label map of the task for the disk; ``read`` brings it back."""
        table = {here: disk for disk, here in self.written.items()}
        return _lookup(table)[label.astype(np.int64)]


@dataclass(frozen=True, eq=False)
class Collection:
    """Cases that are published together.

    Attributes:
        name: for messages.
        pattern: what the names of its cases hold, in any case of letters.
        numberings: names of those that its releases use; none where labels name no regions.
    """

    name: str
    pattern: str
    numberings: tuple[str, ...]

    def has(self, name: str) -> bool:
        """Whether a name, of a file, a case or a folder, is one of this collection."""
        return re.search(self.pattern, name, re.I) is not None


def _lookup(table: Mapping[int, int]) -> NDArray[np.uint8]:
    lookup = np.zeros(max(table) + 1, np.uint8)
    for key, value in table.items():
        lookup[key] = value
    return lookup
