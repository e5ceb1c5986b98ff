"""Writes Noto's emoji with their names as a folder in the layout of UPMC Food-101.

    python -m tests.benchmarks.emoji_folder emoji.npz FOLDER

1,906 pictures of 32 x 32 pixels; title: the Unicode name; class: the Unicode group, one of nine. Real pictures
and words where Food-101 is not at hand, and never to be called that.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from bundle.classification.image_text.titled_folder import TitledPicture, write_part


def write_emoji(source: Path, folder: Path) -> None:
    """Write the training and the test cases of ``emoji.npz``."""
    for part in ("training", "test"):
        write_part(folder, part, list(emoji_cases(source, part)))


def emoji_cases(source: Path, part: str) -> Iterator[TitledPicture]:
    """Return the cases of ``training`` or ``test``, in the order of the file."""
    with np.load(source) as data:
        images, labels, names = data["image"], data["label"], data["text"]
        classes, points = data["classes"], data["unified"]
        chosen = np.flatnonzero(data["test"] == (part == "test"))
    for place in chosen:
        yield TitledPicture(
            name=str(points[place]).lower(),
            title=str(names[place]),
            class_name=str(classes[labels[place]]),
            pixels=np.ascontiguousarray(images[place].transpose(1, 2, 0)),
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("source", type=Path)
    parser.add_argument("folder", type=Path)
    arguments = parser.parse_args()
    write_emoji(arguments.source, arguments.folder)
