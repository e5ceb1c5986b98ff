"""Puts the finished files of a case in place of those of before: nothing incomplete ever looks
complete.
"""

import os
from pathlib import Path

from bundle.cases.case_record import CaseRecord
from bundle.files.staged_folder import move_into
from bundle.outputs.earlier_results import mark_finished, mark_unfinished
from bundle.outputs.map_files import possible_names


def publish(stage: Path, folder: Path, record: CaseRecord) -> None:
    """Move the files of a case into place: the old JSON goes first, the new one comes last."""
    case_id = record.case_id
    done = folder / f"{case_id}.json"
    new = {path.name for path in stage.iterdir()}
    mark_unfinished(folder, case_id, new, possible_names(case_id))
    done.unlink(missing_ok=True)
    # Of an earlier run with other modalities or settings; pictures show the old maps, also if none
    # are new.
    for name in sorted(possible_names(case_id) - new):
        if os.path.lexists(folder / name):  # also False for a name that is too long to be there
            (folder / name).unlink()
    move_into(folder, stage, sorted(new - {done.name}))
    move_into(folder, stage, [done.name])
    mark_finished(folder, case_id, record.inputs)
