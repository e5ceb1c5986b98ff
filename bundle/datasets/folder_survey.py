"""Finds the case folders of a data set, also one or two levels deeper, and leaves out what is no
case.
"""

import os
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path

from bundle.datasets.bids_description import DESCRIPTION, is_derived
from bundle.names.image_names import is_image_name
from bundle.names.name_words import is_label_word, texts_of
from bundle.names.other_files import listed
from bundle.names.vocabulary import word_set
from bundle.plain_text import printable

MAX_DEPTH = 3
"""Levels below the data folder at which case folders are looked for: ``sub-01/ses-1/anat``,
``2019/HGG/CASE``.
"""

SYSTEM_FOLDERS = word_set("""
    @eadir @recycle @recently-snapshot #recycle #snapshot $recycle.bin recycler lost+found
    __macosx __pycache__ derivatives code sourcedata stimuli phenotype
    """) | {"system volume information", "network trash folder", "temporary items"}
"""Folders that file servers, archives and BIDS leave among the cases, in lower case."""

_OTHER_SCANS = word_set("func dwi fmap perf meg eeg ieeg beh pet micr swi dicom dicoms dcm")
"""Folders that hold other scans of a subject than anatomy, beside ``anat``."""

_OF_LABELS = word_set("images expert manual automated automatic")
_RESULTS_HEADER = b"case_id,status,reason"


@dataclass
class Folder:
    """What lies in a folder itself.

    Attributes:
        path: as it was given, links are not followed.
        images: named like images.
        folders: those that may hold cases.
        left_out: folders that systems leave.
        is_result: this program wrote it, as the folder of a run or of a case.
        is_derived: it says of itself that it is a BIDS data set of derivatives.
        is_readable: False if its content cannot be listed.
    """

    path: Path
    images: list[Path] = field(default_factory=list)
    folders: list[Path] = field(default_factory=list)
    left_out: list[Path] = field(default_factory=list)
    is_result: bool = False
    is_derived: bool = False
    is_readable: bool = True


@dataclass
class Survey:
    """The case folders below one.

    Attributes:
        known: those that hold a modality.
        unknown: those that do not; they become failed cases instead of silent gaps.
        results: folders that this program wrote.
        derived: BIDS data sets of derivatives.
        notes: sentences on what was left out.
    """

    known: list[Path] = field(default_factory=list)
    unknown: list[Path] = field(default_factory=list)
    results: list[Path] = field(default_factory=list)
    derived: list[Path] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


Knows = Callable[[Folder], bool]


def read_folder(path: Path) -> Folder:
    """List a folder, by name."""
    found = Folder(path)
    try:
        with os.scandir(path) as entries:
            listing = sorted(entries, key=lambda entry: entry.name)
    except OSError:
        found.is_readable = False
        return found
    for entry in listing:
        _sort_in(found, entry)
    names = {entry.name for entry in listing}
    found.is_result = _is_result(path, names)
    found.is_derived = DESCRIPTION in names and is_derived(path / DESCRIPTION)
    return found


def _sort_in(found: Folder, entry: os.DirEntry[str]) -> None:
    if is_image_name(entry.name):
        found.images.append(found.path / entry.name)
    elif not entry.name.startswith(".") and _is_folder(entry):
        if entry.name.lower() in SYSTEM_FOLDERS:
            found.left_out.append(found.path / entry.name)
        else:
            found.folders.append(found.path / entry.name)


def _is_result(path: Path, names: set[str]) -> bool:
    """Whether this program wrote a folder: that of a case by its maps, that of a run by its
    ``cases.csv``.
    """
    if {f"{path.name}.json", f"{path.name}_entropy.nii.gz"} <= names:
        return True
    if "cases.csv" not in names:
        return False
    try:
        with (path / "cases.csv").open("rb") as file:
            return file.read(64).removeprefix(b"\xef\xbb\xbf").startswith(_RESULTS_HEADER)
    except OSError:
        return False


def survey(root: Folder, knows: Knows, finding_words: Collection[str]) -> Survey:
    """Find the case folders below a data folder.

    A subfolder is a case if ``knows`` says so; else those below it are, if there are any; else it
    stays a case that will fail. What hangs in a loop of links is left out.

    Args:
        root: the data folder.
        knows: tells whether a folder holds a modality of a case.
        finding_words: of the task: what names of folders of labels may hold.
    """
    found = Survey(notes=_system_notes(root))
    _descend(root, knows, found, (_identity(root.path),))
    if found.known:
        _leave_out_labels(root, found, finding_words)
    if found.results:
        found.notes.append(
            f"{_shown(root.path)}: left out, results of an earlier run: {listed(found.results)}"
        )
    if found.derived:
        found.notes.append(
            f"{_shown(root.path)}: left out, BIDS derivatives: {listed(found.derived)}; to use one,"
            " give it alone"
        )
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
    if here.is_result:
        found.results.append(here.path)
        return
    if here.is_derived:
        found.derived.append(here.path)
        return
    if knows(here):
        found.known.append(here.path)
        return
    below = Survey(notes=_system_notes(here))
    if len(above) <= MAX_DEPTH:
        _descend(here, knows, below, above)
    found.results += below.results
    found.derived += below.derived
    if below.known:
        _add_deeper(here, below, found)
    elif below.unknown or here.images or not (below.results or below.derived):
        found.unknown.append(here.path)


def _add_deeper(here: Folder, below: Survey, found: Survey) -> None:
    """Take the cases of a folder that is none itself.

    What lies beside one case only need not be a case.
    """
    shapes = {_shape(path) for path in below.known}
    is_list = len(below.known) > 1
    cases = _without_other_scans(below.unknown)
    gaps = [path for path in cases if is_list or _shape(path) in shapes]
    others = [path for path in cases if path not in gaps]
    found.known += below.known
    found.unknown += gaps
    found.notes += below.notes
    if others:
        found.notes.append(
            f"{_shown(here.path)}: left out, as they hold no modality by its name: {listed(others)}"
        )
    if here.images:
        found.notes.append(
            f"{_shown(here.path)}: images beside case folders are not used: {listed(here.images)}"
        )


def _leave_out_labels(root: Folder, found: Survey, finding_words: Collection[str]) -> None:
    """Take folders that are called after labels (``labelsTr``, ``masks``) out of those that look
    like cases.
    """
    known = {*_OF_LABELS, *finding_words}
    labels = [path for path in found.unknown if _is_called_after_labels(path.name, known)]
    found.unknown = [path for path in _without_other_scans(found.unknown) if path not in labels]
    if labels:
        found.notes.append(
            f"{_shown(root.path)}: left out, labels by their names: {listed(labels)}"
        )


def _is_called_after_labels(name: str, known: Collection[str]) -> bool:
    words = [text.removesuffix("tr").removesuffix("ts") for text in texts_of(name)]
    has_label = any(map(is_label_word, words))
    return has_label and all(is_label_word(word) or word in known for word in words)


def _without_other_scans(paths: list[Path]) -> list[Path]:
    return [path for path in paths if path.name.lower() not in _OTHER_SCANS]


def _system_notes(folder: Folder) -> list[str]:
    if not folder.left_out:
        return []
    return [f"{_shown(folder.path)}: left out, no cases by their names: {listed(folder.left_out)}"]


def _shape(path: Path) -> str:
    """Return a name with its digits made alike, as the names in a list of cases are."""
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
