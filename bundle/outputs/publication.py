"""Puts the finished files of a case in place of those of before: nothing incomplete ever looks
complete.
"""

import os
from collections.abc import Set
from pathlib import Path

from bundle.cases.case_record import CaseRecord
from bundle.files.staged_folder import move_into
from bundle.outputs.earlier_results import mark_finished, mark_unfinished


def publish(stage: Path, folder: Path, record: CaseRecord, possible: Set[str]) -> None:
    """Move the files of a case into place: the old JSON goes first, the new one comes last.

    Args:
        stage: holds the finished files.
        folder: of the case.
        record: of the case.
        possible: names of files that an earlier run may have left.
    """
    case_id = record.case_id
    done = folder / f"{case_id}.json"
    new = {path.name for path in stage.iterdir()}
    mark_unfinished(folder, case_id, new, possible)
    done.unlink(missing_ok=True)
    # Of an earlier run with other modalities or settings; pictures show the old maps, also if none
    # are new.
    for name in sorted(possible - new):
        if os.path.lexists(folder / name):  # also False for a name that is too long to be there
            (folder / name).unlink()
    move_into(folder, stage, sorted(new - {done.name}))
    move_into(folder, stage, [done.name])
    mark_finished(folder, case_id, record.inputs)
