"""Draws the data of a task of classes for tables without real data."""

from pathlib import Path

from bundle.classification.avmnist.drawn_digits import write_drawn_digits
from bundle.classification.avmnist.preparing import prepare_avmnist
from bundle.classification.image_text.drawn_food import write_drawn_food
from tests.benchmarks.emoji_folder import write_emoji


def drawn_data(task: str, work: Path) -> Path:
    """Return the drawn data of a task, made if they are not there."""
    if task == "avmnist":
        return _drawn_digits(work)
    food = work / "plates"
    if not food.exists():
        write_drawn_food(food)
    return food


def found_data(data: Path | None, work: Path) -> Path | None:
    """Return given data as `simmlm train` takes them: emoji as a folder of pictures with titles."""
    if data is None or data.name != "emoji.npz":
        return data
    folder = work / "emoji"
    if not folder.exists():
        write_emoji(data, folder)
    return folder


def _drawn_digits(work: Path) -> Path:
    pairs = work / "avmnist.npz"
    if not pairs.exists():
        drawn = write_drawn_digits(work / "drawn")
        prepare_avmnist(drawn / "mnist", drawn / "fsdd", pairs)
    return pairs
