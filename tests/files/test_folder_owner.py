import contextlib
import errno
import os
import subprocess
import sys
import time

import pytest

from bundle.errors import OutputError
from bundle.files.atomic_file import PREFIX, appearing_at_once
from bundle.files.folder_owner import LOCK_NAME, live_parts, part_owner, sole_owner, sweep
from bundle.files.staged_folder import temporary_folder

HOLDER = """
import sys, pathlib
from bundle.files.folder_owner import sole_owner
with sole_owner(pathlib.Path(sys.argv[1])):
    print("in", flush=True)
    sys.stdin.read()
"""


@contextlib.contextmanager
def started(code, folder):
    """Run code in another process, which is inside once this is entered."""
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "in\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()
    with contextlib.suppress(OSError, ValueError):
        process.stdin.close()


@pytest.fixture
def other_process(tmp_path):
    """A process that owns the folder until its input ends."""
    with started(HOLDER, tmp_path) as process:
        yield process


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


NO_LOCKS = """
import errno, fcntl
def no_locks(*_arguments):
    raise OSError(errno.ENOSYS, "Function not implemented")
fcntl.flock = no_locks
"""


@pytest.fixture
def no_locks(monkeypatch):
    """A file system that has no locks, on which a dead process is noticed after a second."""

    def refuse(*_arguments):
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr("fcntl.flock", refuse)
    monkeypatch.setattr("bundle.files.folder_lock.LEASE_S", 1.0)


def test_without_locks_a_lease_keeps_others_out_until_its_holder_is_dead(tmp_path, no_locks):
    code = NO_LOCKS + "import bundle.files.folder_lock as locks; locks.LEASE_S = 1.0\n" + HOLDER
    with started(code, tmp_path) as process:
        with pytest.raises(OutputError) as caught, sole_owner(tmp_path):
            pass
        assert caught.value.code == "E_BUSY"
        process.kill()
        process.wait()
        with sole_owner(tmp_path):
            assert [path.name for path in tmp_path.iterdir()] == [f"{LOCK_NAME}.lease"]
    assert list(tmp_path.iterdir()) == []


PART = """
import sys, pathlib
from bundle.files.folder_owner import part_owner
with part_owner(pathlib.Path(sys.argv[1]), "2-of-3", lambda others: None):
    print("in", flush=True)
    sys.stdin.read()
"""


def test_parts_share_a_folder_and_know_of_each_other_but_nobody_else_comes_in(tmp_path):
    seen = []
    with started(PART, tmp_path) as process:
        with part_owner(tmp_path, "1-of-3", seen.append):
            assert live_parts(tmp_path) == ["2-of-3"]  # its own lock it may take again
        for enter in (
            lambda: part_owner(tmp_path, "2-of-3", seen.append),
            lambda: sole_owner(tmp_path),
        ):
            with pytest.raises(OutputError) as caught, enter():
                pass
            assert caught.value.code == "E_BUSY"
        process.communicate("")
        with part_owner(tmp_path, "2-of-3", seen.append):
            pass
    assert seen == [True, True, False]
    assert list(tmp_path.iterdir()) == []


def test_a_part_does_not_come_in_where_one_process_has_the_folder(
    tmp_path, other_process, monkeypatch
):
    monkeypatch.setattr("bundle.files.folder_owner._JOIN_S", 0.2)
    with pytest.raises(OutputError) as caught, part_owner(tmp_path, "1-of-2", lambda others: None):
        pass
    assert caught.value.code == "E_BUSY"


def test_a_part_that_must_not_join_leaves_no_lock(tmp_path):
    def refuse(others):
        raise OutputError("E_BUSY", "x must be y; got z. Choose another.")

    with pytest.raises(OutputError), part_owner(tmp_path, "1-of-2", refuse):
        pass
    assert list(tmp_path.iterdir()) == []


def test_what_was_left_a_moment_ago_is_gone_when_the_next_run_ends(tmp_path, monkeypatch):
    monkeypatch.setattr("bundle.files.folder_owner._NEW_S", 0.2)
    (tmp_path / "case" / f"{PREFIX}abc").mkdir(parents=True)
    with sole_owner(tmp_path), temporary_folder(tmp_path / "case") as mine:
        assert mine.is_dir()
        assert (tmp_path / "case" / f"{PREFIX}abc").is_dir()
    assert list((tmp_path / "case").iterdir()) == []
