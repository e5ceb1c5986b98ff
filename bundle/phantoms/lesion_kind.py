"""What all kinds of lesions have in common: layers, and how they push tissue aside."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from bundle.phantoms.anatomy import Brain
from bundle.phantoms.section import Section
from bundle.phantoms.shapes import Field, Grid


@dataclass(frozen=True)
class Layer:
    """What a part of a lesion is made of.

    Attributes:
        tissue: decides its signal.
        label: value of the label map where it fills most of a voxel; 0 leaves the map as it is.
    """

    tissue: str
    label: int = 0


@dataclass(frozen=True)
class Mass:
    """A lesion that was there before the tissue around it took its place; mm of an adult brain.

    Attributes:
        centre: x, y, z.
        stretch: (3, 3), turns an offset from the centre into one whose length is compared with the
            radius.
        radius_mm: of the core.
        rim_mm: mean thickness of the rim; 0 for a mass without, above radius_mm for a solid one.
        patchiness: 0 for a rim of even thickness; around 1 it is interrupted.
        halo_mm: reach of the halo beyond the core.
        push: share of its offset by which the core moves the tissue near its centre.
    """

    centre: NDArray[np.float32]
    stretch: NDArray[np.float32]
    radius_mm: float
    rim_mm: float
    patchiness: float
    halo_mm: float
    push: float


Painted = list[tuple[Layer, Field]]
"""Layers and their coverage in 0..1, in the order in which they are painted."""


class LesionKind(Protocol):
    """One entry of a task's list of lesions."""

    @property
    def layers(self) -> Mapping[str, Layer]:
        """What its parts are made of, in the order in which they are painted."""

    def grow(self, rng: np.random.Generator) -> list[Mass]:
        """Choose what is settled before there is a brain, because it pushes tissue aside."""

    def draw(
        self,
        grid: Grid,
        rest: Field,
        brain: Brain,
        masses: list[Mass],
        rng: np.random.Generator,
    ) -> dict[str, Field]:
        """Draw the lesions of a case.

        Args:
            grid: where each voxel lies.
            rest: (3, H, W, D) mm, from ``push_aside``.
            brain: decides where lesions can be.
            masses: what ``grow`` chose.
            rng: settles places and outlines.

        Returns:
            Coverage in 0..1 of each part, as ``layers`` names and orders them.
        """


def read_layers(
    section: Section, parts: Collection[str], labels: Collection[int]
) -> dict[str, Layer]:
    """Read what the parts of a lesion are made of, in the order in which they are painted.

    Args:
        section: part to layer.
        parts: of the kind.
        labels: values that layers may have; none for what is no lesion.

    Raises:
        SetupError: E_TASK, a part is missing, unknown or not what it must be.
    """
    section.check_keys(parts)
    return {part: _layer(section.section(part), labels) for part in parts}


def _layer(section: Section, labels: Collection[int]) -> Layer:
    section.check_keys(["tissue"], ["label"] if labels else [])
    label = section.choice("label", labels) if "label" in section.content else 0
    return Layer(section.text("tissue"), label)


def push_aside(points: Field, masses: list[Mass]) -> Field:
    """Return the place (3, H, W, D) that the tissue of each voxel had before the cores grew."""
    rest = points
    for mass in masses:
        offset = rest - mass.centre.reshape(3, 1, 1, 1)
        squared = (offset**2).sum(0) / np.float32((1.7 * mass.radius_mm) ** 2)
        rest = rest - offset * (np.float32(mass.push) * np.exp(-squared))
    return rest
