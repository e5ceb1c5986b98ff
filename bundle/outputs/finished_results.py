"""Whether a case is done: its result is whole, and of these files and this run."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bundle.datasets.decathlon import Channel
from bundle.files.hashes import sha256_of_files
from bundle.outputs.earlier_results import is_unfinished, read_result
from bundle.outputs.run_identity import RUN
from bundle.volumes.nifti_file import halves


def finished_result(
    folder: Path, case_id: str, files: Mapping[str, Any], run: str
) -> dict[str, Any] | None:
    """Return the facts of a result that need not be computed again; None if there is none.

    Args:
        folder: of the case.
        case_id: name of the case.
        files: modality to file, or `Channel`, as they are now.
        run: `RunIdentity.sha256` of what would be computed.
    """
    facts = read_result(folder, case_id)
    if facts is None or facts.get(RUN) != run:
        return None
    if is_unfinished(folder) or not _are_there(folder, facts):
        return None
    inputs = facts.get("inputs", {})
    if inputs.keys() != files.keys():
        return None
    is_same = all(_is_input(inputs[name], file) for name, file in files.items())
    return facts if is_same else None


def _are_there(folder: Path, facts: Mapping[str, Any]) -> bool:
    names = [*facts.get("maps", ()), *facts.get("companions", ())]
    return all((folder / str(name)).is_file() for name in names)


def _is_input(entry: Any, file: Any) -> bool:
    """Whether a file has the bytes that a result names; an array has none."""
    if not isinstance(entry, Mapping) or not isinstance(file, str | Path | Channel):
        return False
    path, channel = (file.file, file.position) if isinstance(file, Channel) else (file, None)
    if entry.get("channel") != channel:
        return False
    try:
        return bool(entry.get("sha256") == sha256_of_files(dict.fromkeys(halves(Path(path)))))
    except OSError:
        return False
