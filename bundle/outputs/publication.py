"""Puts the finished files of a case in place of those of before: nothing incomplete ever looks
complete.
"""

import contextlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bundle.cases.case_record import CaseRecord
from bundle.errors import OutputError
from bundle.files.atomic_file import cause_of, temporary_folder
from bundle.outputs.earlier_results import mark_finished, mark_unfinished
from bundle.outputs.map_files import possible_names


@contextmanager
def staged(folder: Path) -> Iterator[Path]:
    """Return a folder beside the results to fill; it is gone afterwards, whatever happens."""
    is_new = not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with temporary_folder(folder) as stage:
            yield stage
    except OSError as error:
        raise OutputError(
            "E_WRITE",
            f"{folder} must be writable; got: {cause_of(error)}. Mend that and run the case again.",
        ) from error
    finally:
        if is_new:
            with contextlib.suppress(OSError):  # not empty: all went well
                folder.rmdir()


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
    for name in sorted(new - {done.name}):
        (stage / name).replace(folder / name)
    (stage / done.name).replace(done)
    mark_finished(folder, case_id, record.inputs)
