"""What differs between diseases, as one declared thing: modalities, labels, regions, numberings."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bundle.tasks.modality_sets import ModalitySets
from bundle.tasks.numberings import Collection, Numbering
from bundle.tasks.parts import Code, Label, Modality, Region, region_code
from bundle.tasks.rules import check_task
from bundle.tasks.series_rules import SeriesKind

BACKGROUND = "background"
THRESHOLD = 0.5
"""Probability above which a voxel belongs to a region."""


@dataclass(frozen=True, eq=False)
class Task(ModalitySets):
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
        series: what tells which series of a DICOM study is which modality, by the name of the
            modality, of its family, or of something else that must not be taken for one.

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
    series: Mapping[str, SeriesKind] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_task(self)

    @cached_property
    def region_names(self) -> tuple[str, ...]:
        """Names of the regions, in the order of the network's channels."""
        return tuple(region.name for region in self.regions)

    @cached_property
    def label_names(self) -> dict[int, str]:
        """Values of a label map to their names, the background first."""
        return {0: BACKGROUND, **{label.value: label.name for label in self.labels}}

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

    def of_kind(self, kind: str) -> tuple[str, ...]:
        """Name the modalities that a kind of series may be: one, a family's, or none."""
        return tuple(one.name for one in self.modalities if kind in (one.name, one.family))

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
        bits = np.min_scalar_type(2 ** len(self.regions) - 1)
        codes = np.zeros(regions.shape[1:], bits)
        for index, region in enumerate(self.regions):
            inside = regions[index].astype(bool)
            for outer_index, outer in enumerate(self.regions):
                if outer.holds(region):
                    inside = inside & regions[outer_index].astype(bool)
            codes |= inside.astype(bits) << bits.type(index)
        return self._label_of_code[codes]

    @cached_property
    def _label_of_code(self) -> NDArray[np.uint8]:
        """The label of each set of regions, a bit each: the one that lies in most of them and in no
        other.
        """
        codes = {label.value: region_code(self.regions, label.value) for label in self.labels}
        lookup = np.zeros(2**self.n_regions, np.uint8)
        for code in range(1, len(lookup)):
            fitting = [value for value, own in codes.items() if own & ~code == 0]
            if fitting:
                lookup[code] = max(fitting, key=lambda value: (codes[value].bit_count(), -value))
        return lookup
