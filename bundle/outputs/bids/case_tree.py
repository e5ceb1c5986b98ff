"""The files of one case in a BIDS data set: there as a whole beside its result, or not at all."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bundle.errors import CaseError
from bundle.files.json_file import parse_json
from bundle.files.staged_folder import (
    linked_or_copied,
    made_folders,
    settle,
    temporary_folder,
)
from bundle.outputs.bids.names import BidsName
from bundle.outputs.bids.sidecars import (
    CASE_ID,
    FACTS,
    FILES,
    SEGMENTATION,
    bids_ending,
    label_sidecar,
    label_table,
    map_sidecar,
)
from bundle.tasks.task import Task

DATA_SET = "bids"
"""The folder in ``OUT`` that is the data set."""

_MAP = ".nii.gz"
SIDECAR = "_dseg.json"
"""Ends the name of the file that says whose folder it is."""


class CaseTree:
    """Writes ``OUT/bids/sub-*/[ses-*/]anat`` for each case.

    A folder of its own, since nothing but subjects may be called ``sub-*`` in a data set, and the
    results of cases are. Maps are hard links to those of ``OUT/CASE``, which take no room; where
    the disk has no links, copies.

    Args:
        output_dir: ``OUT``.
        task: of the network.
    """

    def __init__(self, output_dir: Path | str, task: Task) -> None:
        self.root = Path(output_dir) / DATA_SET
        self.task = task

    def check(self, case_id: str) -> None:
        """Refuse a case whose folder holds what is not this program's, or of another case.

        Raises:
            CaseError: E_EXISTS; E_CASE_ID, the case is called as the data set is.
        """
        if case_id.casefold() == DATA_SET:
            raise CaseError(
                "E_CASE_ID",
                f"Case {case_id}: with --bids a case name must not be {DATA_SET}; it is. Rename"
                " it.",
            )
        folder = self.root / BidsName.of_case(case_id).folder
        mine = case_files(folder, case_id)
        foreign = sorted(path.name for path in _entries(folder) if path.name not in mine)
        if foreign:
            raise CaseError(
                "E_EXISTS",
                f"Case {case_id}: {folder} must hold nothing but an earlier result of this case; it"
                f" has {foreign[0]}. Choose another output folder, or move it away.",
            )

    def has(self, case_id: str) -> bool:
        """Whether the files of a case are in place."""
        return bool(case_files(self.root / BidsName.of_case(case_id).folder, case_id))

    @contextlib.contextmanager
    def appearing(self, stage: Path, case_id: str) -> Iterator[None]:
        """Make the files of a case ready, and put them in place once what is done inside went well.

        Args:
            stage: holds the finished result, on the disk of the data set.
            case_id: name of the case.

        Raises:
            OSError: they cannot be written; nothing is left behind.
        """
        name = BidsName.of_case(case_id)
        folder = self.root / name.folder
        with made_folders(folder.parent), temporary_folder(self.root) as ready:
            self._fill(ready, stage, case_id, name.stem)
            yield
            withdraw(self.root.parent, case_id)
            folder.parent.mkdir(parents=True, exist_ok=True)
            settle(ready, folder)

    def _fill(self, ready: Path, stage: Path, case_id: str, stem: str) -> None:
        for path in sorted(stage.glob(f"*{_MAP}")):
            kind = path.name.removeprefix(f"{case_id}_").removesuffix(_MAP)
            ending = bids_ending(kind)
            if ending is not None:
                linked_or_copied(path, ready / f"{stem}_{ending}{_MAP}")
            if ending is not None and kind != SEGMENTATION:
                (ready / f"{stem}_{ending}.json").write_bytes(map_sidecar(kind))
        facts: Any = parse_json((stage / f"{case_id}.json").read_bytes())
        (ready / f"{stem}_dseg.tsv").write_bytes(label_table(facts["labels"], self.task))
        sidecar = ready / f"{stem}{SIDECAR}"
        files = sorted([sidecar.name, *(path.name for path in ready.iterdir())])
        sidecar.write_bytes(label_sidecar(facts, files))


def case_tree(output_dir: Path | str, task: Task, *, is_on: bool) -> CaseTree | None:
    """Return what writes cases into a data set, None if there is to be none."""
    return CaseTree(output_dir, task) if is_on else None


def withdraw(output_dir: Path, case_id: str) -> None:
    """Remove the files of a case from a data set, if they are there: the one that says so first.

    Args:
        output_dir: ``OUT``.
        case_id: name of the case.

    Raises:
        OSError: one cannot be removed.
    """
    root = output_dir / DATA_SET
    folder = root / BidsName.of_case(case_id).folder
    mine = case_files(folder, case_id)
    for name in sorted(mine, key=lambda name: not name.endswith(SIDECAR)):
        (folder / name).unlink(missing_ok=True)
    if mine:
        for place in (folder, *folder.parents[: len(folder.relative_to(root).parts) - 1]):
            with contextlib.suppress(OSError):  # not empty
                place.rmdir()


def case_files(folder: Path, case_id: str | None = None) -> frozenset[str]:
    """Name the files that this program put into a folder of a data set, by their sidecar.

    Args:
        folder: need not exist.
        case_id: of the case whose folder it must be; anybody's if left out.
    """
    facts = case_facts(folder)
    if facts is None or (case_id is not None and facts.get(CASE_ID) != case_id):
        return frozenset()
    listed = facts.get(FILES)
    names = listed if isinstance(listed, list) else []
    return frozenset(name for name in names if isinstance(name, str) and name == Path(name).name)


def case_facts(folder: Path) -> dict[str, Any] | None:
    """Read the facts of the case that a folder of a data set holds; None if there are none."""
    for path in _entries(folder):
        if path.name.endswith(SIDECAR):
            try:
                content = parse_json(path.read_bytes())
            except (OSError, ValueError):
                continue
            facts = content.get(FACTS) if isinstance(content, dict) else None
            if isinstance(facts, dict):
                return facts
    return None


def _entries(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []
