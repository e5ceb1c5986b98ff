import errno
import os
import stat

import pytest

from bundle.errors import OutputError
from bundle.files import staged_folder
from bundle.files.staged_folder import becoming, move_into, settle, staged, temporary_folder


def current_umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


@pytest.mark.parametrize("mask", [0o077, 0o022, 0o002, 0o027])
def test_a_folder_that_takes_its_place_is_for_whom_the_umask_says(tmp_path, mask):
    before = os.umask(mask)
    try:
        with becoming(tmp_path / "case") as stage:
            (stage / "a").write_bytes(b"1")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "case").stat().st_mode) == 0o777 & ~mask
    assert stat.S_IMODE((tmp_path / "case" / "a").stat().st_mode) == 0o666 & ~mask


def content_of(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def synced(monkeypatch):
    """Lists what was made to last, in order."""
    found = []

    def note(descriptor):
        found.append(os.fstat(descriptor).st_ino)
        return original(descriptor)

    original = os.fsync
    monkeypatch.setattr(os, "fsync", note)
    return found


def test_what_is_moved_out_of_a_stage_stays_and_the_rest_is_gone(tmp_path):
    with staged(tmp_path / "case") as stage:
        (stage / "a").write_bytes(b"1")
        (stage / "b").write_bytes(b"2")
        move_into(tmp_path / "case", stage, ["a"])
    assert content_of(tmp_path / "case") == {"a": b"1"}


@pytest.mark.parametrize("is_there", [False, True])
def test_a_folder_that_got_nothing_goes_again_unless_it_was_there(tmp_path, is_there):
    if is_there:
        (tmp_path / "case").mkdir()
    with pytest.raises(ValueError, match="half way"), staged(tmp_path / "case"):
        raise ValueError("half way")
    assert (tmp_path / "case").exists() == is_there


def test_a_full_disk_while_a_stage_is_filled_is_an_output_error(tmp_path):
    with pytest.raises(OutputError, match="the disk is full") as caught, staged(tmp_path / "case"):
        raise OSError(errno.ENOSPC, "full")
    assert caught.value.code == "E_WRITE"
    assert list(tmp_path.iterdir()) == []


def test_moved_files_replace_older_ones_and_their_folder_is_synced(tmp_path, synced):
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "a").write_bytes(b"new")
    (tmp_path / "a").write_bytes(b"old")
    move_into(tmp_path, tmp_path / "new", ["a"])
    assert (tmp_path / "a").read_bytes() == b"new"
    assert synced == [tmp_path.stat().st_ino]


def test_a_settled_folder_is_synced_with_all_that_it_holds_and_open_to_others(tmp_path, synced):
    with temporary_folder(tmp_path) as stage:
        (stage / "below").mkdir()
        (stage / "below" / "a").write_bytes(b"1")
        settle(stage, tmp_path / "done")
    done = tmp_path / "done"
    inside = [done, done / "below", done / "below" / "a", tmp_path]
    assert set(synced) == {path.stat().st_ino for path in inside}
    assert stat.S_IMODE(done.stat().st_mode) == 0o777 & ~current_umask()
    assert [path.name for path in tmp_path.iterdir()] == ["done"]


def test_a_folder_that_cannot_settle_leaves_nothing_behind(tmp_path):
    (tmp_path / "done").mkdir()
    (tmp_path / "done" / "theirs").write_bytes(b"")
    with temporary_folder(tmp_path) as stage:
        (stage / "a").write_bytes(b"1")
        with pytest.raises(OSError, match="not empty"):
            settle(stage, tmp_path / "done")
    assert content_of(tmp_path / "done") == {"theirs": b""}
    assert [path.name for path in tmp_path.iterdir()] == ["done"]


def test_a_temporary_folder_without_a_place_is_one_of_the_system_and_goes():
    with temporary_folder() as folder:
        assert folder.is_dir()
    assert not folder.exists()


def test_a_filled_folder_takes_the_place_of_an_older_one_with_all_of_it(tmp_path):
    for number in (b"1", b"2"):
        with becoming(tmp_path / "a" / "case") as stage:
            (stage / f"of {number.decode()}").write_bytes(number)
    assert content_of(tmp_path / "a" / "case") == {"of 2": b"2"}
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["case"]


@pytest.mark.parametrize("has_older", [True, False])
def test_one_that_cannot_take_its_place_leaves_what_was_there(tmp_path, monkeypatch, has_older):
    if has_older:
        (tmp_path / "a" / "case").mkdir(parents=True)
        (tmp_path / "a" / "case" / "old").write_bytes(b"1")

    def full(*_):
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(staged_folder, "settle", full)
    with pytest.raises(OutputError, match="the disk is full"), becoming(tmp_path / "a" / "case"):
        pass
    found = [path.relative_to(tmp_path).as_posix() for path in sorted(tmp_path.rglob("*"))]
    assert found == (["a", "a/case", "a/case/old"] if has_older else [])


def test_what_goes_wrong_while_it_is_filled_leaves_nothing(tmp_path):
    def fill():
        with becoming(tmp_path / "a" / "case") as stage:
            (stage / "half").write_bytes(b"1")
            raise KeyError

    with pytest.raises(KeyError):
        fill()
    assert list(tmp_path.iterdir()) == []
