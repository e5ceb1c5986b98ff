"""What differs between diseases, as one declared thing: modalities, labels, regions, numberings."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bundle.errors import SetupError
from bundle.tasks.numberings import Collection, Numbering

Code = tuple[str, str]
"""A concept of SNOMED CT: its number and its meaning."""

BACKGROUND = "background"
THRESHOLD = 0.5
"""Probability above which a voxel belongs to a region."""
OUTSIDE_ZERO = "zero"
"""Value of ``outside`` where voxels outside are exactly 0."""

_TASK_NAME = re.compile(r"[a-z0-9_]+")
_MODALITY_NAME = re.compile(r"[a-z0-9]+")
_REGION_NAME = re.compile(r"[A-Za-z0-9]+")
_COLUMNS = ("seg", "label", "patient")
_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")
_MAX_REGIONS = 16


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
    """

    name: str
    title: str
    aliases: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    family: str | None = None
    agent: bool | None = None
    over: str | None = None
    examples: tuple[str, ...] = ()

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


@dataclass(frozen=True, eq=False)
class Task:
    """A disease as the project sees it; ``configs/tasks/NAME.yaml`` declares one.

    It is valid once built: names are distinct, regions tell the labels apart, and what refers to
    something else finds it.

    Attributes:
        name: of its file, lower-case letters, digits and underscores.
        title: in words.
        finding: what sentences call that which the regions hold: ``tumour``, ``lesion``.
        finding_words: how names of folders write it, where labels have folders of their own.
        modalities: in the order of the image's channels.
        labels: in the order of their values, 1 and up.
        regions: in the order of the network's channels.
        numberings: of label maps on disk, by name; the first is the one that is written.
        families: words that name several modalities.
        collections: tried in this order.
        doubtful: numbering to value to what it may mean instead, in files that no collection names.
        outside: ``zero`` where voxels outside are exactly 0, a number where they are below it, None
            where nothing is outside.
        skull_stripped: a head with its skull is warned of.
        anatomy: where the labels lie.
        shown_first: modalities in the order in which one is chosen to be drawn.
        opened_first: modalities in the order in which a viewer chooses its background.
        outlined_first: values of labels in the order in which their outlines are drawn; where two
            coincide, the later one is seen.
        phantom: how ``bundle.phantoms`` draws it.

    Raises:
        SetupError: E_TASK, the parts do not fit together.
    """

    name: str
    title: str
    finding: str
    modalities: tuple[Modality, ...]
    labels: tuple[Label, ...]
    regions: tuple[Region, ...]
    numberings: Mapping[str, Numbering]
    finding_words: tuple[str, ...] = ()
    families: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    collections: tuple[Collection, ...] = ()
    doubtful: Mapping[str, Mapping[int, str]] = field(default_factory=dict)
    outside: str | float | None = "zero"
    skull_stripped: bool = True
    anatomy: Code | None = None
    shown_first: tuple[str, ...] = ()
    opened_first: tuple[str, ...] = ()
    outlined_first: tuple[int, ...] = ()
    phantom: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check(self)

    @cached_property
    def modality_names(self) -> tuple[str, ...]:
        """Names of the modalities, in the order of the image's channels."""
        return tuple(modality.name for modality in self.modalities)

    @cached_property
    def region_names(self) -> tuple[str, ...]:
        """Names of the regions, in the order of the network's channels."""
        return tuple(region.name for region in self.regions)

    @cached_property
    def label_names(self) -> dict[int, str]:
        """Values of a label map to their names, the background first."""
        return {0: BACKGROUND, **{label.value: label.name for label in self.labels}}

    @property
    def n_modalities(self) -> int:
        """M in shapes."""
        return len(self.modalities)

    @property
    def n_regions(self) -> int:
        """R in shapes."""
        return len(self.regions)

    @property
    def example(self) -> Modality:
        """The modality that messages name where any would do."""
        return self.modality(self.opened_first[0])

    @property
    def default_numbering(self) -> Numbering:
        """The numbering that is written where nothing else is asked for."""
        return next(iter(self.numberings.values()))

    @cached_property
    def outer_first(self) -> tuple[str, ...]:
        """Names of regions so that each comes after those that hold it."""
        ordered = sorted(self.regions, key=lambda region: -len(region.labels))
        return tuple(region.name for region in ordered)

    @property
    def outer_labels_first(self) -> tuple[int, ...]:
        """Values of labels, outer ones first: the order to draw their outlines in."""
        return self.outlined_first or tuple(label.value for label in self.labels)

    @cached_property
    def label_colours(self) -> dict[int, str]:
        """Values of labels to their colours, outer labels first."""
        colours = {label.value: label.colour for label in self.labels}
        return {value: colours[value] for value in self.outer_labels_first}

    def is_inside(self, image: NDArray[Any]) -> NDArray[np.bool_]:
        """Return where a raw image (...) is not outside of what was imaged; NaN is outside."""
        if self.outside is None:
            return np.isfinite(image)
        inside = image != 0 if self.outside == "zero" else image >= float(self.outside)
        return np.isfinite(image) & inside

    def modality(self, name: str) -> Modality:
        """Return the modality of a name."""
        return self.modalities[self.modality_names.index(name)]

    def canonical_modality(self, name: str) -> str:
        """Map a name in common use (``T1ce``, ``FLAIR``) to the modality's own.

        Raises:
            ValueError: the name is not known.
        """
        key = name.strip().lower().replace("-", "").replace("_", "")
        if key not in self._canonical:
            known = ", ".join(sorted(self._canonical))
            raise ValueError(f"modality must be one of {known}; got {name!r}.")
        return self._canonical[key]

    def parse_modalities(self, text: str) -> tuple[str, ...]:
        """Read a list such as ``t1ce,flair`` into names of modalities, in their order.

        Raises:
            ValueError: a name is not known.
        """
        chosen = {self.canonical_modality(name) for name in text.split(",")}
        return self.in_order(chosen)

    def in_order(self, chosen: Iterable[str]) -> tuple[str, ...]:
        """Return those of the modalities that are among some names, in their order."""
        names = set(chosen)
        return tuple(name for name in self.modality_names if name in names)

    def modality_sets(self) -> tuple[tuple[str, ...], ...]:
        """List the non-empty modality sets, small ones first, each in the modalities' order."""
        names = self.modality_names
        sizes = range(1, len(names) + 1)
        return tuple(chosen for size in sizes for chosen in combinations(names, size))

    def presence_flags(self, present: Iterable[str]) -> tuple[bool, ...]:
        """Return one flag per modality, True where its name is among ``present``."""
        chosen = set(present)
        return tuple(name in chosen for name in self.modality_names)

    def single_sets(self, modalities: Iterable[str] | None = None) -> list[list[bool]]:
        """List the presence flags of the sets with one modality, for some of them or all."""
        names = self.modality_names if modalities is None else self.in_order(modalities)
        return [list(self.presence_flags([name])) for name in names]

    def all_sets(self) -> list[list[bool]]:
        """List the presence flags of all non-empty sets, as ``modality_sets`` orders them."""
        return [list(self.presence_flags(chosen)) for chosen in self.modality_sets()]

    def numbering(self, name: str) -> Numbering:
        """Return the numbering of a name.

        Raises:
            ValueError: the task has none of that name.
        """
        if name not in self.numberings:
            known = ", ".join(self.numberings)
            raise ValueError(f"numbering must be one of {known}; got {name!r}.")
        return self.numberings[name]

    def labels_to_regions(self, label: NDArray[np.integer]) -> NDArray[np.uint8]:
        """Split exclusive labels (H, W, D) into overlapping binary regions (R, H, W, D), uint8."""
        maps = [np.isin(label, region.labels) for region in self.regions]
        return np.stack(maps).astype(np.uint8)

    def regions_to_labels(self, regions: NDArray[np.bool_]) -> NDArray[np.uint8]:
        """Merge region maps into exclusive labels, keeping each region within those that hold it.

        Args:
            regions: (R, H, W, D) boolean, possibly not nested.

        Returns:
            (H, W, D) uint8. A voxel outside a region is outside of all that lie within it, whatever
            their maps say.
        """
        codes = np.zeros(regions.shape[1:], np.int64)
        for index, region in enumerate(self.regions):
            inside = regions[index].astype(bool)
            for outer_index, outer in enumerate(self.regions):
                if outer.holds(region):
                    inside = inside & regions[outer_index].astype(bool)
            codes |= inside.astype(np.int64) << index
        return self._label_of_code[codes]

    @cached_property
    def _canonical(self) -> dict[str, str]:
        return {alias: m.name for m in self.modalities for alias in (m.name, *m.aliases)}

    @cached_property
    def _label_of_code(self) -> NDArray[np.uint8]:
        """The label of each set of regions, a bit each: the one that lies in most of them and in no
        other.
        """
        codes = {label.value: self._code_of(label.value) for label in self.labels}
        lookup = np.zeros(2**self.n_regions, np.uint8)
        for code in range(1, len(lookup)):
            fitting = [value for value, own in codes.items() if own & ~code == 0]
            if fitting:
                lookup[code] = max(fitting, key=lambda value: (codes[value].bit_count(), -value))
        return lookup

    def _code_of(self, value: int) -> int:
        members = [index for index, region in enumerate(self.regions) if value in region.labels]
        return sum(1 << index for index in members)


def _check(task: Task) -> None:
    if not _TASK_NAME.fullmatch(task.name):
        rule = "name must be lower-case letters, digits and underscores"
        raise _error(task, rule, task.name)
    texts: dict[str, object] = {"title": task.title, "finding": task.finding}
    for key, text in texts.items():
        if not isinstance(text, str) or not text:
            raise _error(task, f"{key} must be text", text)
    _check_distinct(task, "modalities", [modality.name for modality in task.modalities])
    _check_distinct(task, "aliases", _aliases(task.modalities))
    _check_distinct(task, "regions", [region.name.lower() for region in task.regions])
    _check_distinct(task, "labels", [label.name for label in task.labels])
    if isinstance(task.outside, str) and task.outside != OUTSIDE_ZERO:
        raise _error(task, f"outside must be {OUTSIDE_ZERO}, a number or null", task.outside)
    _check_modalities(task)
    _check_labels(task)
    _check_regions(task)
    _check_numberings(task)
    _check_patterns(task)


def _check_labels(task: Task) -> None:
    values = [label.value for label in task.labels]
    if values != list(range(1, len(values) + 1)):
        raise _error(task, "labels must have the values 1, 2 and so on, in order", values)
    codes = [task._code_of(value) for value in values]
    if 0 in codes or len(set(codes)) < len(codes):
        raise _error(task, "every label must lie in regions, and no two in the same", codes)


def _check_regions(task: Task) -> None:
    values = {label.value for label in task.labels}
    members: list[frozenset[int]] = []
    for region in task.regions:
        if not region.labels or not set(region.labels) <= values:
            raise _error(task, f"region {region.name} must have labels of the task", region.labels)
        if not _REGION_NAME.fullmatch(region.name):
            raise _error(task, "names of regions must be letters and digits", region.name)
        members.append(frozenset(region.labels))
    if len(set(members)) < len(members):
        raise _error(task, "no two regions may have the same labels", list(map(sorted, members)))
    if len(members) > _MAX_REGIONS:
        raise _error(task, f"there must be at most {_MAX_REGIONS} regions", len(members))


def _check_numberings(task: Task) -> None:
    if not task.numberings:
        raise _error(task, "it must have a numbering", "none")
    values = {label.value for label in task.labels}
    for numbering in task.numberings.values():
        what = f"numbering {numbering.name}"
        if set(numbering.values.values()) != values:
            raise _error(task, f"{what} must lead to every label", dict(numbering.values))
        disk = [*numbering.values, *numbering.others]
        if not set(disk) <= set(range(1, 256)) or len(set(disk)) < len(disk):
            raise _error(task, f"{what} must have each value from 1 to 255 once", disk)
    for collection in task.collections:
        if not set(collection.numberings) <= set(task.numberings):
            rule = f"collection {collection.name} must have numberings of the task"
            raise _error(task, rule, collection.numberings)
    if not set(task.doubtful) <= set(task.numberings):
        raise _error(task, "doubtful must name numberings of the task", list(task.doubtful))


def _check_patterns(task: Task) -> None:
    """Refuse what is no colour and no regular expression before a reader or a viewer meets it."""
    parts: list[Label | Region] = [*task.labels, *task.regions]
    for part in parts:
        if not _COLOUR.fullmatch(part.colour):
            raise _error(task, f"the colour of {part.name} must be like #56c4ff", part.colour)
    patterns = [(part.name, part.words) for part in parts]
    patterns += [(collection.name, collection.pattern) for collection in task.collections]
    for numbering in task.numberings.values():
        patterns.append((numbering.name, numbering.others_words))
        patterns += [(numbering.name, words) for words in numbering.decathlon.values()]
    for name, pattern in patterns:
        try:
            re.compile(pattern or "")
        except re.error as error:
            rule = f"the pattern of {name} must be a regular expression"
            raise _error(task, rule, f"{pattern!r} ({error})") from None


def _check_modalities(task: Task) -> None:
    names = task.modality_names
    for modality in task.modalities:
        for name in (modality.name, *modality.aliases):
            if not _MODALITY_NAME.fullmatch(name) or name in _COLUMNS:
                rule = "names of modalities must be lower-case letters and digits"
                raise _error(task, f"{rule}, and not {', '.join(_COLUMNS)}", name)
        if modality.family is not None and modality.family not in task.families:
            rule = f"modality {modality.name} must be of a family of the task"
            raise _error(task, rule, modality.family)
        if modality.over is not None and modality.over not in names:
            raise _error(task, f"modality {modality.name} must be over another", modality.over)
    for key, chosen in (("shown_first", task.shown_first), ("opened_first", task.opened_first)):
        if sorted(chosen) != sorted(names):
            raise _error(task, f"{key} must name every modality once", chosen)
    values = sorted(label.value for label in task.labels)
    if sorted(task.outer_labels_first) != values:
        rule = "outlined_first must name the value of every label once"
        raise _error(task, rule, task.outlined_first)


def _check_distinct(task: Task, what: str, names: Sequence[str]) -> None:
    if not names or len(set(names)) < len(names):
        raise _error(task, f"{what} must be named, and differ", list(names))


def _aliases(modalities: Iterable[Modality]) -> list[str]:
    found: list[str] = []
    for modality in modalities:
        found += dict.fromkeys((modality.name, *modality.aliases))
    return found


def _error(task: Task, rule: str, got: object) -> SetupError:
    return SetupError("E_TASK", f"Task {task.name}: {rule}; got {got}. Correct its file.")
