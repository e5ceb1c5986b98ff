"""Draws how values are distributed, as an SVG that stands in a page."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

_WIDTH, _HEIGHT, _BOTTOM, _TOP = 420, 150, 22, 14


@dataclass(frozen=True)
class Bar:
    """One bar of a histogram; lengths in the units of its picture."""

    x: float
    y: float
    width: float
    height: float
    words: str


@dataclass(frozen=True)
class Histogram:
    """A picture of a distribution, and what it says in words.

    Attributes:
        title: what is counted.
        words: number, median and range.
        bars: from left to right.
        ticks: place and text of marks below.
        most: cases in the highest bar.
    """

    title: str
    words: str
    bars: tuple[Bar, ...]
    ticks: tuple[tuple[float, str], ...]
    most: int
    width: int = _WIDTH
    height: int = _HEIGHT
    floor: int = _HEIGHT - _BOTTOM


def volume_histogram(title: str, values: Sequence[float]) -> Histogram | None:
    """Count volumes in ml, in steps that grow: 0, then a fifth of a decade each."""
    if not values:
        return None
    exponents = np.arange(-1, np.ceil(np.log10(max(*values, 1.0, 0.1))) + 0.19, 0.2)
    edges = [0.0, *(10.0**exponents).tolist()]
    edges[-1] = max(edges[-1], *values)
    marks = {1 + index: f"{edge:g}" for index, edge in enumerate(10.0**exponents) if index % 5 == 0}
    return _histogram(title, "ml", values, edges, {0: "0", **marks})


def share_histogram(title: str, unit: str, values: Sequence[float]) -> Histogram | None:
    """Count values from 0 to 1, in twentieths."""
    if not values:
        return None
    edges = np.linspace(0, 1, 21).tolist()
    return _histogram(title, unit, values, edges, {0: "0", 10: "0.5", 20: "1"})


def _histogram(
    title: str,
    unit: str,
    values: Sequence[float],
    edges: Sequence[float],
    marks: dict[int, str],
) -> Histogram:
    counts, _ = np.histogram(values, edges)
    step = _WIDTH / len(counts)
    most = max(int(counts.max()), 1)
    room = _HEIGHT - _BOTTOM - _TOP
    bars = []
    for index, count in enumerate(counts.tolist()):
        height = room * count / most
        low, high = edges[index], edges[index + 1]
        words = f"{low:.2g} to {high:.2g} {unit}: {count}"
        bars.append(Bar(index * step + 1, _HEIGHT - _BOTTOM - height, step - 2, height, words))
    middle, low, high = np.median(values), min(values), max(values)
    words = f"{len(values)} cases, median {middle:.2f} {unit}, from {low:.2f} to {high:.2f} {unit}"
    ticks = tuple((index * step, text) for index, text in marks.items())
    return Histogram(title, words, tuple(bars), ticks, most)
