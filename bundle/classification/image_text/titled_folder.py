"""Writes pictures with titles in the public layout of UPMC Food-101."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from bundle.classification.image_text.title_tables import part_word, table_of
from bundle.files.atomic_file import appearing_at_once, make_folder


@dataclass(frozen=True)
class TitledPicture:
    """A case to write.

    Attributes:
        name: of its file, without an ending; once in its class.
        title: any text, may be empty.
        class_name: may be that of a folder.
        pixels: (H, W, 3) uint8.
    """

    name: str
    title: str
    class_name: str
    pixels: NDArray[np.uint8]

    @property
    def file(self) -> str:
        """Name of its file: PNG, which loses nothing."""
        return f"{self.name}.png"


def write_part(folder: Path, part: str, cases: Sequence[TitledPicture]) -> None:
    """Write the pictures and the table of a part, that one last.

    Args:
        folder: made if it is not there; files of the same names are replaced.
        part: ``training`` or ``test``.
        cases: in the order of the table.

    Raises:
        OutputError: a folder cannot be made, or a file cannot be written.
        UsageError: E_FOLDER, there is no such part.
    """
    images, table = folder / "images" / part_word(part), table_of(folder, part)
    for case in cases:
        place = make_folder(images / case.class_name) / case.file
        with appearing_at_once(place) as file:
            Image.fromarray(case.pixels).save(file, format="PNG")
    make_folder(table.parent)
    with appearing_at_once(table) as file:
        file.write(_rows(cases).encode())


def _rows(cases: Sequence[TitledPicture]) -> str:
    text = io.StringIO(newline="")
    rows = ((case.file, case.title, case.class_name) for case in cases)
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()
