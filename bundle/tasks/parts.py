"""What a task is made of: modalities, labels, regions."""

from collections.abc import Sequence
from dataclasses import dataclass

Code = tuple[str, str]
"""A concept of SNOMED CT: its number and its meaning."""


@dataclass(frozen=True)
class Modality:
    """One kind of image of a case.

    Attributes:
        name: in files, options and lists, lower case.
        title: in tables and pictures.
        aliases: names that lists and options may use instead, lower case, without punctuation.
        words: words of a file's name that mean this modality.
        family: words that several modalities share, of which the contrast agent tells which is
            meant; a key of ``Task.families``.
        agent: whether a contrast agent was given, where that tells it from others of its family.
        over: a modality whose word loses its meaning beside one of this: T2 beside FLAIR.
        examples: how people may write it into a file's name, for messages.
        without: what a reader of a result must know where it was not acquired; a sentence.
    """

    name: str
    title: str
    aliases: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    family: str | None = None
    agent: bool | None = None
    over: str | None = None
    examples: tuple[str, ...] = ()
    without: str = ""

    @property
    def example_file(self) -> str:
        """What messages suggest as the end of a file's name."""
        return self.examples[0] if self.examples else self.name


@dataclass(frozen=True)
class Label:
    """One value of a label map; values are exclusive.

    Attributes:
        value: 1 or more, here and in maps of the first numbering.
        name: for viewers and tables.
        colour: ``#rrggbb``.
        code: for DICOM and 3D Slicer.
        words: pattern by which descriptions of data sets name it.
    """

    value: int
    name: str
    colour: str
    code: Code | None = None
    words: str | None = None


@dataclass(frozen=True)
class Region:
    """One of the overlapping maps that the network predicts.

    Attributes:
        name: short, in files and tables.
        title: in words.
        labels: values of the label map that make it up.
        colour: ``#rrggbb``.
        words: pattern by which descriptions of data sets name it.
    """

    name: str
    title: str
    labels: tuple[int, ...]
    colour: str
    words: str | None = None

    def holds(self, other: "Region") -> bool:
        """Whether another region lies within this one."""
        return self != other and set(other.labels) <= set(self.labels)


def region_code(regions: Sequence[Region], value: int) -> int:
    """Return which regions hold a value of the label map, as a number with a bit for each."""
    members = [index for index, region in enumerate(regions) if value in region.labels]
    return sum(1 << index for index in members)
