"""Finds the case folders of a data set, also one or two levels deeper, and leaves out what is no case."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from bundle.data.image_names import is_image
from bundle.data.other_files import listed
from bundle.data.vocabulary import word_set
from bundle.plain_text import printable

MAX_DEPTH = 3
"""Levels below the data folder at which case folders are looked for: ``sub-01/ses-1/anat``, ``2019/HGG/CASE``."""

SYSTEM_FOLDERS = word_set(
    """
    @eadir @recycle @recently-snapshot #recycle #snapshot $recycle.bin recycler lost+found __macosx __pycache__
    derivatives code sourcedata stimuli phenotype
    """
) | {"system volume information", "network trash folder", "temporary items"}
"""Folders that file servers, archives and BIDS leave among the cases, in lower case."""

_OTHER_SCANS = word_set("func dwi fmap perf meg eeg ieeg beh pet micr swi dicom dicoms dcm")
_RESULTS_HEADER = b"case_id,status,reason"
_RESULTS = "results of an earlier run"


@dataclass
class Folder:
    """What lies in a folder itself.

    Attributes:
        path: as it was given, links are not followed.
        images: named like images.
        folders: those that may hold cases.
        left_out: folders of systems and results of earlier runs, and why.
        is_readable: False if its content cannot be listed.
    """

    path: Path
    images: list[Path] = field(default_factory=list)
    folders: list[Path] = field(default_factory=list)
    left_out: list[tuple[str, str]] = field(default_factory=list)
    is_readable: bool = True


@dataclass
class Survey:
    """The case folders below one.

    Attributes:
        known: those that hold a modality.
        unknown: those that do not; they become failed cases instead of silent gaps.
        notes: sentences on what was left out.
    """

    known: list[Path] = field(default_factory=list)
    unknown: list[Path] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


Knows = Callable[[Folder], bool]


def read_folder(path: Path) -> Folder:
    """List a folder, by name."""
    found = Folder(path)
    try:
        with os.scandir(path) as entries:
            for entry in sorted(entries, key=lambda entry: entry.name):
                _sort_in(found, entry)
    except OSError:
        found.is_readable = False
    return found


def _sort_in(found: Folder, entry: os.DirEntry[str]) -> None:
    path = found.path / entry.name
    if is_image(path):
        found.images.append(path)
    elif not entry.name.startswith(".") and _is_folder(entry):
        if entry.name.lower() in SYSTEM_FOLDERS:
            found.left_out.append((entry.name, "no cases by their names"))
        elif is_result_folder(path):
            found.left_out.append((entry.name, _RESULTS))
        else:
            found.folders.append(path)


def is_result_folder(path: Path) -> bool:
    """Tell whether this program wrote a folder: that of a run by its ``cases.csv``, that of a case by its maps."""
    name = path.name
    try:
        if all((path / f"{name}{end}").is_file() for end in (".json", "_entropy.nii.gz")):
            return True
        with (path / "cases.csv").open("rb") as file:
            return file.read(64).removeprefix(b"\xef\xbb\xbf").startswith(_RESULTS_HEADER)
    except (OSError, ValueError):
        return False


def survey(root: Folder, knows: Knows) -> Survey:
    """Find the case folders below a data folder.

    A subfolder is a case if ``knows`` says so; else those below it are, if there are any; else it stays a case that
    will fail. What hangs in a loop of links is left out.

    Args:
        root: the data folder.
        knows: tells whether a folder holds a modality of a case.
    """
    found = Survey(notes=_left_out_notes(root))
    _descend(root, knows, found, (_identity(root.path),))
    return found


def _descend(folder: Folder, knows: Knows, found: Survey, above: tuple[object, ...]) -> None:
    """Add the cases among and below the subfolders of one."""
    for path in folder.folders:
        identity = _identity(path)
        if identity in above:
            found.notes.append(f"{_shown(path)} is left out: it leads back to a folder above it")
            continue
        _visit(read_folder(path), knows, found, (*above, identity))


def _visit(here: Folder, knows: Knows, found: Survey, above: tuple[object, ...]) -> None:
    if knows(here):
        found.known.append(here.path)
        return
    below = Survey(notes=_left_out_notes(here))
    if _holds_results_only(here):
        found.notes += below.notes
        return
    if len(above) <= MAX_DEPTH:
        _descend(here, knows, below, above)
    if not below.known:
        found.unknown.append(here.path)
        return
    _add_deeper(here, below, found)


def _add_deeper(here: Folder, below: Survey, found: Survey) -> None:
    """Take the cases of a folder that is none itself; what lies beside one case only need not be a case."""
    shapes = {_shape(path) for path in below.known}
    is_list = len(below.known) > 1
    cases = [path for path in below.unknown if path.name.lower() not in _OTHER_SCANS]
    gaps = [path for path in cases if is_list or _shape(path) in shapes]
    others = [path for path in cases if path not in gaps]
    found.known += below.known
    found.unknown += gaps
    found.notes += below.notes
    if others:
        found.notes.append(f"{_shown(here.path)}: left out, as they hold no modality by its name: {listed(others)}")
    if here.images:
        found.notes.append(f"{_shown(here.path)}: images beside case folders are not used: {listed(here.images)}")


def _holds_results_only(folder: Folder) -> bool:
    is_empty = not folder.images and not folder.folders
    return is_empty and any(reason == _RESULTS for _, reason in folder.left_out)


def _left_out_notes(folder: Folder) -> list[str]:
    reasons: dict[str, list[Path]] = {}
    for name, reason in folder.left_out:
        reasons.setdefault(reason, []).append(Path(name))
    return [f"{_shown(folder.path)}: left out, {reason}: {listed(names)}" for reason, names in reasons.items()]


def _shape(path: Path) -> str:
    """Give a name with its digits made alike, as the names in a list of cases are."""
    return "".join("0" if letter.isdigit() else letter for letter in path.name)


def _identity(path: Path) -> object:
    try:
        status = path.stat()
    except (OSError, ValueError):
        return str(path)
    return status.st_dev, status.st_ino


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _shown(path: Path) -> str:
    return printable(str(path))
