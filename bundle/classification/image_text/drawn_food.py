"""Plates that nobody ate of: pictures with titles drawn from a seed, where no data are at hand."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from bundle.classification.image_text.title_tables import PARTS
from bundle.classification.image_text.titled_folder import TitledPicture, write_part
from bundle.errors import UsageError
from bundle.files.atomic_file import make_folder

Colour = tuple[int, int, int]

EMPTY_SHARE = 0.15
"""Of the plates nothing is left on: their pictures say nothing."""
SILENT_SHARE, MISLEADING_SHARE = 0.12, 0.1
"""Of the titles no word is about the food, or one is about another."""
COLOUR_SPREAD = 36.0
"""Standard deviation of each part of a colour; two dishes differ by 65 or more in one."""
_NOISE = 10.0
_SMALLEST = 16
_OTHER_WORDS = ("my", "best", "easy", "recipe", "for", "sunday", "quick", "homemade", "the", "new")


@dataclass(frozen=True)
class Dish:
    """What a class looks like, and is called.

    Attributes:
        name: of the class.
        words: of which a title has one.
        colour: mean RGB.
        is_round: a disc, or else a square.
    """

    name: str
    words: tuple[str, ...]
    colour: Colour
    is_round: bool


DISHES = (
    Dish("beet_soup", ("beet", "borscht", "red soup"), (150, 40, 100), True),
    Dish("tomato_toast", ("tomato", "toast", "crostini"), (215, 70, 50), False),
    Dish("pea_soup", ("pea", "green soup", "mint soup"), (110, 180, 80), True),
    Dish("spinach_pie", ("spinach", "pie", "pastry"), (40, 100, 60), False),
    Dish("pancake", ("pancake", "crêpe", "batter"), (200, 140, 80), True),
    Dish("corn_bread", ("corn", "bread", "cornmeal"), (235, 215, 90), False),
)


def write_drawn_food(
    folder: Path,
    *,
    seed: int = 0,
    n_training: int = 600,
    n_test: int = 300,
    picture_size: int = 32,
) -> None:
    """Draw a plate for each case and write all in the public layout, see `read_food101`.

    Case i of a part depends on seed, part and i alone, to the byte; its class is i modulo 6. Some
    plates are empty, some titles silent or about another dish: neither picture nor title tells all
    that both tell.

    Args:
        folder: made if it is not there; files of the same names are replaced.
        seed: non-negative.
        n_training: cases, at least 6: one of each class.
        n_test: cases, at least 1.
        picture_size: pixels a side, at least 16.

    Raises:
        UsageError: E_PHANTOM, an argument is out of its range.
        OutputError: the folder cannot be made or written to.
    """
    _check("seed", seed, 0)
    _check("n_training", n_training, len(DISHES))
    _check("n_test", n_test, 1)
    _check("picture_size", picture_size, _SMALLEST)
    make_folder(folder)
    for place, (part, n_cases) in enumerate(zip(PARTS, (n_training, n_test), strict=True)):
        cases = [_draw((seed, place, number), picture_size) for number in range(n_cases)]
        write_part(folder, part, cases)


def _check(name: str, value: int, lowest: int) -> None:
    if value < lowest:
        raise UsageError(
            "E_PHANTOM", f"{name} must be at least {lowest}; got {value}. Choose a larger one."
        )


def _draw(entropy: Sequence[int], size: int) -> TitledPicture:
    rng = np.random.default_rng(np.random.SeedSequence(entropy))
    number = entropy[-1]
    dish = DISHES[number % len(DISHES)]
    pixels = _plate(dish, size, rng)
    return TitledPicture(f"{dish.name}_{number}", _title(dish, rng), dish.name, pixels)


def _plate(dish: Dish, size: int, rng: Generator) -> NDArray[np.uint8]:
    """Draw a white plate on a grey table from above, and the dish on it: (size, size, 3)."""
    picture = np.full((size, size, 3), 110.0)
    centre = size * (0.5 + rng.uniform(-0.08, 0.08, 2))
    away = np.indices((size, size)) - centre[:, None, None]
    from_centre = np.hypot(*away)
    picture[from_centre < 0.44 * size] = 235.0
    is_empty = rng.random() < EMPTY_SHARE
    radius = size * rng.uniform(0.17, 0.3)
    colour = np.array(dish.colour) + rng.normal(0, COLOUR_SPREAD, 3)
    reach = from_centre if dish.is_round else _turned_square(away, rng.uniform(0, np.pi / 2))
    if not is_empty:
        picture[reach < radius] = colour
    noisy = picture + rng.normal(0, _NOISE, picture.shape)
    return np.clip(noisy.round(), 0, 255).astype(np.uint8)


def _turned_square(away: NDArray[np.float64], angle: float) -> NDArray[np.float64]:
    """Return how large a square of the area of a disc must be to hold each point."""
    down, right = away
    along = np.cos(angle) * down + np.sin(angle) * right
    across = np.cos(angle) * right - np.sin(angle) * down
    return np.maximum(abs(along), abs(across)) * (2 / np.sqrt(np.pi))


def _title(dish: Dish, rng: Generator) -> str:
    others = [word for other in DISHES if other != dish for word in other.words]
    words = list(rng.permutation(_OTHER_WORDS)[: rng.integers(2, 5)])
    chance = rng.random()
    if chance < MISLEADING_SHARE:
        words.append(str(rng.choice(others)))
    elif chance >= MISLEADING_SHARE + SILENT_SHARE:
        words.append(str(rng.choice(dish.words)))
    return " ".join(map(str, rng.permutation(words)))
