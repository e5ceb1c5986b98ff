"""What lies in a case's folder from before: a result, of which input, and files that somebody else
put there.

A result is a folder with this program's ``CASE.json``. It is replaced by a new result of the same
bytes, by that of others only if the user says so, also where they stand in a file of the same name:
a script may copy one patient after the other into it. Files of somebody else are never replaced. A
result whose input can no longer be segmented goes into the subfolder ``outdated``.
"""

import errno
import logging
import os
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from bundle.errors import CaseError, OutputError, find_user_error
from bundle.files.atomic_file import cause_of, whole_file
from bundle.files.json_file import json_bytes, parse_json
from bundle.files.staged_folder import move_into
from bundle.outputs.bids.case_tree import withdraw
from bundle.outputs.recorded_inputs import (
    Inputs,
    files_of,
    have_same_bytes,
    is_certainly_other,
    is_same_input,
)
from bundle.outputs.report.report_names import report_names
from bundle.plain_text import printable

LOGGER = logging.getLogger("simmlm")

EXISTS = "E_EXISTS"
OUTDATED = "outdated"

_UNFINISHED = ".simmlm.unfinished"
"""Lists the files of this program in a folder while they are replaced, and after a kill in the
middle of it.
"""


def check_free(
    folder: Path,
    case_id: str,
    inputs: Inputs,
    *,
    needed: Iterable[str],
    possible: Collection[str],
    overwrite: bool,
) -> None:
    """Refuse to write a case's results where they would replace what is not theirs to replace.

    Args:
        folder: of the case, need not exist.
        case_id: name of the case.
        inputs: as in a case's record.
        needed: names of files that will be written.
        possible: names of files that may be written or removed.
        overwrite: replace a result of another input.

    Raises:
        CaseError: E_EXISTS, or E_CASE_ID for a name that the file system cannot hold.
        OutputError: E_WRITE, the folder is a file or cannot be read.
    """
    _check_names(folder, case_id, needed)
    earlier = read_result(folder, case_id)
    mine = _owned(folder, case_id, earlier, possible)
    foreign = [name for name in sorted(possible) if name not in mine and _is_there(folder / name)]
    if foreign:
        raise CaseError(
            EXISTS,
            f"Case {case_id}: {folder / foreign[0]} must be a result of this program, to be"
            " replaced; no JSON of it says so. Choose another output folder, or move the file"
            " away.",
        )
    if (
        earlier is not None
        and not overwrite
        and not have_same_bytes(earlier.get("inputs", {}), inputs)
    ):
        raise CaseError(
            EXISTS,
            f"Case {case_id}: {folder} holds the result of another input or of an older content of"
            f" the same files, {files_of(earlier.get('inputs', {}))}; got {files_of(inputs)}."
            " Choose another output folder or case name, or replace it with --overwrite.",
        )


def read_result(folder: Path, case_id: str) -> dict[str, Any] | None:
    """Read the JSON of a finished result; None if there is none, or it is not this program's."""
    try:
        facts = parse_json((folder / f"{case_id}.json").read_bytes())
    except (OSError, ValueError):
        return None
    if not isinstance(facts, dict) or not isinstance(facts.get("inputs", {}), dict):
        return None
    versions = facts.get("versions")
    is_ours = "server" in facts or (isinstance(versions, dict) and "simmlm" in versions)
    return facts if is_ours else None


def is_unfinished(folder: Path) -> bool:
    """Whether the files of a case were being replaced when somebody was killed."""
    return _is_there(folder / _UNFINISHED)


def mark_unfinished(
    folder: Path, case_id: str, new: Iterable[str], possible: Collection[str]
) -> None:
    """Note which files are this program's, before the JSON that says so goes."""
    mine = _owned(folder, case_id, read_result(folder, case_id), possible)
    with whole_file(folder / _UNFINISHED) as file:
        file.write(json_bytes(sorted({*mine, *new})))


def mark_finished(folder: Path, case_id: str, inputs: Inputs) -> None:
    """Forget the note, and an outdated result of the same input."""
    (folder / _UNFINISHED).unlink(missing_ok=True)
    outdated = read_result(folder / OUTDATED, case_id)
    if outdated is not None and is_same_input(outdated.get("inputs", {}), inputs):
        for name in _owned(folder / OUTDATED, case_id, outdated, ()):
            (folder / OUTDATED / name).unlink(missing_ok=True)
        _remove_if_empty(folder / OUTDATED)


def set_aside(case: Mapping[str, Any], error: BaseException, output_dir: Path | str) -> None:
    """Move the older result of a case that failed into its subfolder ``outdated``, unless it is of
    another input.
    """
    case_id = str(case["case_id"])
    folder = Path(output_dir) / case_id
    known = find_user_error(error)
    if known is not None and known.code in (EXISTS, "E_CASE_ID"):
        return
    earlier = read_result(folder, case_id)
    if earlier is None or is_certainly_other(case, earlier.get("inputs", {})):
        return
    try:
        _move(folder, case_id, earlier)
        withdraw(Path(output_dir), case_id)
        LOGGER.warning(
            "%s: its older result is outdated and was moved to %s", printable(case_id), OUTDATED
        )
    except OSError as problem:
        LOGGER.warning(
            "%s: its older result is outdated, and stays: %s", printable(case_id), problem.strerror
        )


def _move(folder: Path, case_id: str, earlier: Mapping[str, Any]) -> None:
    """Move a result: its JSON first, so that nothing incomplete looks complete."""
    target = _place_for(folder, case_id, earlier.get("inputs", {}))
    target.mkdir(exist_ok=True)
    mark_unfinished(folder, case_id, (), ())
    names = sorted(_owned(folder, case_id, earlier, ()) - {f"{case_id}.json"})
    for name in (f"{case_id}.json", *names):
        if _is_there(folder / name):
            move_into(target, folder, [name])
    (folder / _UNFINISHED).unlink(missing_ok=True)


def _place_for(folder: Path, case_id: str, inputs: Inputs) -> Path:
    """Choose where an outdated result goes: never over one of another input, nor into a folder of
    somebody else.
    """
    number = 1
    while True:
        place = folder / (OUTDATED if number == 1 else f"{OUTDATED}-{number}")
        there = read_result(place, case_id)
        if not _is_there(place) or (
            there is not None and is_same_input(there.get("inputs", {}), inputs)
        ):
            return place
        number += 1


def _owned(
    folder: Path, case_id: str, earlier: Mapping[str, Any] | None, possible: Iterable[str]
) -> frozenset[str]:
    """Name the files that a JSON, or else the note of a run that was killed, calls this
    program's.
    """
    if earlier is None:
        return frozenset(_names_in(_read_note(folder)))
    listed = [*_names_in(earlier.get("maps")), *_names_in(earlier.get("companions"))]
    # Pictures and the like, whoever drew them.
    beside = [name for name in possible if not name.endswith(".nii.gz")]
    # A report may have been made later than the JSON that would list it.
    return frozenset([f"{case_id}.json", *listed, *beside, *report_names(case_id)])


def _read_note(folder: Path) -> Any:
    try:
        return parse_json((folder / _UNFINISHED).read_bytes())
    except (OSError, ValueError):
        return None


def _names_in(listed: Any) -> list[str]:
    """Take plain file names out of what stands in a file."""
    names = listed if isinstance(listed, list) else []
    return [
        name
        for name in names
        if isinstance(name, str) and name == Path(name).name and "\0" not in name
    ]


def _check_names(folder: Path, case_id: str, needed: Iterable[str]) -> None:
    """Ask the file system for names as long as those to come, in the nearest folder that is there
    already.
    """
    longest = max(needed, key=_n_bytes)
    there = next((parent for parent in folder.parents if parent.exists()), Path())
    for path in (there / longest, folder / longest):
        try:
            path.lstat()
        except FileNotFoundError:
            continue
        except OSError as error:
            if error.errno == errno.ENAMETOOLONG:
                raise CaseError(
                    "E_CASE_ID",
                    f"Case {case_id}: the name must leave room for those of its files, such as"
                    f" {longest.removeprefix(case_id)}; got {_n_bytes(case_id)} bytes, too many for"
                    " this disk. Give a shorter name, or another output folder.",
                ) from None
            raise OutputError(
                "E_WRITE",
                f"{folder} must be writable; got: {cause_of(error)}. Mend that and run the case"
                " again.",
            ) from None


def _n_bytes(name: str) -> int:
    return len(name.encode("utf-8", "surrogatepass"))


def _is_there(path: Path) -> bool:
    return os.path.lexists(path)


def _remove_if_empty(folder: Path) -> None:
    try:
        folder.rmdir()
    except OSError:
        LOGGER.debug("%s is not empty", folder)
