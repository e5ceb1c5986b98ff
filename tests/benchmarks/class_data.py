"""Draws the data of a task of classes for tables without real data."""

from pathlib import Path

from bundle.classification.avmnist.drawn_digits import write_drawn_digits
from bundle.classification.avmnist.preparing import prepare_avmnist


def drawn_data(task: str, work: Path) -> Path:
    """Return the drawn data of a task, made if they are not there."""
    if task == "avmnist":
        return _drawn_digits(work)
    raise ValueError(task)


def _drawn_digits(work: Path) -> Path:
    pairs = work / "avmnist.npz"
    if not pairs.exists():
        drawn = write_drawn_digits(work / "drawn")
        prepare_avmnist(drawn / "mnist", drawn / "fsdd", pairs)
    return pairs
