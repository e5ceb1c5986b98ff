"""The tables of UPMC Food-101's public layout: which pictures there are, their titles, classes."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath

from bundle.classification.image_text.pictures import ENDINGS
from bundle.errors import UsageError
from bundle.files.table_file import read_table
from bundle.files.text_file import shown

PARTS = {"training": "train", "test": "test"}
"""Of the cases, each with its word in the names of files."""
_COLUMNS = 3
_N_NAMED = 5


@dataclass(frozen=True)
class Listed:
    """One row of a table.

    Attributes:
        file: name of the picture, in the folder of its class.
        title: may be empty.
        class_name: that of the folder.
    """

    file: str
    title: str
    class_name: str

    @property
    def case_id(self) -> str:
        """Names the case in its table: files of different classes may share a name."""
        return f"{self.class_name}/{self.file}"


def table_of(folder: Path, part: str) -> Path:
    """Return the path of the table of ``training`` or ``test``.

    Raises:
        UsageError: E_FOLDER, there is no such part.
    """
    return folder / "texts" / f"{part_word(part)}_titles.csv"


def part_word(part: str) -> str:
    """Return the word for a part of the cases in the names of files.

    Raises:
        UsageError: E_FOLDER, there is no such part.
    """
    if part not in PARTS:
        raise UsageError(
            "E_FOLDER", f"part must be one of {', '.join(PARTS)}; got {part!r}. Choose one."
        )
    return PARTS[part]


def read_titles(path: Path) -> list[Listed]:
    """Read a table without a header: file, title, class.

    Args:
        path: a CSV table in UTF-8; a title that holds commas stands in double quotes.

    Raises:
        UsageError: E_DATALIST, it is missing, empty, in another encoding, of other columns, names a
            file twice, or one outside of its folder.
    """
    listed = [
        _row(cells, f"{shown(path)}, line {line}") for line, cells in read_table(path, _is_picture)
    ]
    if not listed:
        raise UsageError(
            "E_DATALIST",
            f"{shown(path)} must list at least one case; got none. Check the path, or fetch it"
            " again.",
        )
    seen: set[str] = set()
    for one in listed:
        if one.case_id in seen:
            raise UsageError(
                "E_DATALIST",
                f"{shown(path)} must name each file of a class once; got {shown(one.case_id)}"
                " twice. Remove one of the rows.",
            )
        seen.add(one.case_id)
    return listed


def class_names(listed: Sequence[Listed]) -> tuple[str, ...]:
    """Return the classes of a table, sorted by code point."""
    return tuple(sorted({one.class_name for one in listed}))


def refuse_other_classes(listed: Sequence[Listed], classes: Collection[str], path: Path) -> None:
    """Refuse a table with cases of classes that a network does not know.

    Raises:
        UsageError: E_CLASSES, naming the first of them.
    """
    known = set(classes)
    others = [one.case_id for one in listed if one.class_name not in known]
    if others:
        more = f" and {len(others) - _N_NAMED} more" if len(others) > _N_NAMED else ""
        raise UsageError(
            "E_CLASSES",
            f"{shown(path)} must have only classes that training has ({len(known)}); got"
            f" {shown(', '.join(others[:_N_NAMED]))}{more}. Remove these rows, or train with cases"
            " of their classes.",
        )


def _row(cells: Sequence[str], place: str) -> Listed:
    if len(cells) != _COLUMNS:
        raise UsageError(
            "E_DATALIST",
            f"{place} must have the {_COLUMNS} columns file, title, class; got {len(cells)}. Put a"
            " title that holds commas into double quotes.",
        )
    file, title, class_name = cells
    if not _is_picture(file):
        raise UsageError(
            "E_DATALIST",
            f"{place} must begin with the name of a picture ({', '.join(ENDINGS)}); got"
            f" {shown(file)!r}. Bring the columns into the order file, title, class, without a"
            " header.",
        )
    for name in (file, class_name):
        _refuse_path(name, place)
    return Listed(file, title, class_name)


def _refuse_path(name: str, place: str) -> None:
    """Refuse what is not one step down from a folder, on any system: pictures lie in that of their
    class.
    """
    steps = (PurePosixPath(name).name, PureWindowsPath(name).name)
    if any(step != name for step in steps) or name in ("", ".", "..") or "\0" in name:
        raise UsageError(
            "E_DATALIST",
            f"{place} must name a file and a class without folders, which stay within images; got"
            f" {shown(name)!r}. Correct the name.",
        )


def _is_picture(cell: str) -> bool:
    return cell.lower().endswith(ENDINGS)
