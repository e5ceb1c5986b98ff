import errno
import os
import subprocess
import sys
import time

import pytest

from bundle.errors import OutputError
from bundle.files.atomic_file import PREFIX, appearing_at_once
from bundle.files.folder_owner import LOCK_NAME, sole_owner, sweep
from bundle.files.staged_folder import temporary_folder

HOLDER = """
import sys, pathlib
from bundle.files.folder_owner import sole_owner
with sole_owner(pathlib.Path(sys.argv[1])):
    print("in", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def other_process(tmp_path):
    """A process that owns the folder until its input ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "in\n"
    yield process
    process.kill()
    process.communicate()


def old(path, seconds=60):
    then = time.time() - seconds
    os.utime(path, (then, then))
    return path


def test_a_second_process_is_refused_until_the_first_has_ended(tmp_path, other_process):
    with pytest.raises(OutputError, match="another one does") as caught, sole_owner(tmp_path):
        pass
    assert caught.value.code == "E_BUSY"
    other_process.kill()  # also when it is killed
    other_process.wait()
    with sole_owner(tmp_path):
        assert (tmp_path / LOCK_NAME).exists()


def test_the_same_process_may_enter_again_and_nothing_is_left(tmp_path):
    with sole_owner(tmp_path):
        with sole_owner(tmp_path):
            pass
        assert (tmp_path / LOCK_NAME).exists()
    assert list(tmp_path.iterdir()) == []


def test_what_dead_processes_left_is_swept_also_one_folder_deeper(tmp_path):
    (tmp_path / "case" / f"{PREFIX}abc").mkdir(parents=True)
    (tmp_path / "case" / f"{PREFIX}abc" / "x_seg.nii.gz").write_text("half")
    (tmp_path / f"{PREFIX}def.tmp").write_text("half")
    old(tmp_path / "case" / f"{PREFIX}abc")
    old(tmp_path / f"{PREFIX}def.tmp")
    with sole_owner(tmp_path):
        assert {path.name for path in tmp_path.rglob("*")} == {"case", LOCK_NAME}


def test_what_a_living_process_writes_is_never_swept(tmp_path):
    with temporary_folder(tmp_path) as stage, appearing_at_once(tmp_path / "x") as file:
        file.write(b"whole")
        file.flush()
        for path in tmp_path.iterdir():
            old(path)
        sweep(tmp_path)
        assert stage.is_dir()
    assert (tmp_path / "x").read_bytes() == b"whole"


def test_a_planted_link_is_not_followed(tmp_path):
    target = tmp_path / "kept.txt"
    target.write_text("kept")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / f"{PREFIX}link").symlink_to(target)
    os.utime(tmp_path / "out" / f"{PREFIX}link", (0, 0), follow_symlinks=False)
    sweep(tmp_path / "out")
    assert target.read_text() == "kept"


def test_a_folder_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / LOCK_NAME).mkdir()
    with pytest.raises(OutputError, match="must be writable"), sole_owner(tmp_path):
        pass


def test_without_locks_the_work_goes_on_with_a_warning(tmp_path, monkeypatch, caplog):
    def no_locks(*_arguments):
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr("fcntl.flock", no_locks)
    with sole_owner(tmp_path), temporary_folder(tmp_path):
        assert "has no locks" in caplog.text
