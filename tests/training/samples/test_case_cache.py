import logging
import multiprocessing
import os
import pickle
import time
from pathlib import Path
from typing import IO, Any

import pytest
import torch

from bundle.training.samples.case_cache import PARTIAL_SUFFIX, SUFFIX, CaseCache
from bundle.training.samples.packed_case import to_bytes

KEYS = [letter * 64 for letter in "abcd"]
IMAGE = torch.rand(2, 5, 6, 7) + 1
SIZE_GB = len(to_bytes(IMAGE)) / 1e9


@pytest.fixture
def cache(tmp_path) -> CaseCache:
    return CaseCache(tmp_path / "cache", max_gb=1.0)


@pytest.fixture
def full_disk(monkeypatch):
    """Every file that is opened to be written is one on a device that is always full."""
    if not Path("/dev/full").exists():
        pytest.skip("needs a device that is always full")
    usual = Path.open

    def open_full(path: Path, mode: str = "r", **options: Any) -> IO[Any]:
        return open("/dev/full", "wb") if "x" in mode else usual(path, mode, **options)  # noqa: PTH123

    monkeypatch.setattr(Path, "open", open_full)


def kept(cache: CaseCache) -> list[str]:
    return sorted(path.name.removesuffix(SUFFIX)[:1] for path in cache.folder.glob("*" + SUFFIX))


def test_a_case_is_found_under_its_key_only_also_by_another_process_run(cache):
    cache.store(KEYS[0], {"image": IMAGE})
    assert torch.equal(CaseCache(cache.folder, 1.0).load(KEYS[0])["image"], IMAGE)
    assert cache.load(KEYS[1]) is None


def test_the_folder_is_made_and_holds_whole_files_only(cache):
    for key in KEYS:
        cache.store(key, IMAGE)
    assert sorted(path.name for path in cache.folder.iterdir()) == [key + SUFFIX for key in KEYS]


def test_the_cases_used_longest_ago_go_when_there_is_no_room(tmp_path):
    cache = CaseCache(tmp_path, max_gb=3 * SIZE_GB)
    for key in KEYS[:3]:
        cache.store(key, IMAGE)
    assert kept(cache) == ["a", "b", "c"]
    cache.load(KEYS[0])
    cache.store(KEYS[3], IMAGE)
    assert kept(cache) == ["a", "c", "d"]


def test_replacing_a_case_needs_no_room(tmp_path):
    cache = CaseCache(tmp_path, max_gb=2 * SIZE_GB)
    for key in (KEYS[0], KEYS[1], KEYS[1]):
        cache.store(key, IMAGE)
    assert kept(cache) == ["a", "b"]


def test_a_case_larger_than_the_bound_is_not_kept_and_drives_nothing_out(tmp_path):
    cache = CaseCache(tmp_path, max_gb=SIZE_GB)
    cache.store(KEYS[0], IMAGE)
    cache.store(KEYS[1], torch.cat([IMAGE, IMAGE]))
    assert kept(cache) == ["a"]


def test_files_of_others_are_left_alone_and_do_not_count(tmp_path):
    others = [tmp_path / name for name in ("model.pt", "old.partial", ".hidden")]
    for path in others:
        path.write_bytes(bytes(10_000))
        os.utime(path, (0, 0))
    cache = CaseCache(tmp_path, max_gb=1.5 * SIZE_GB)
    for key in KEYS:
        cache.store(key, IMAGE)
    assert kept(cache) == ["d"]
    assert all(path.exists() for path in others)


def test_what_dead_processes_left_is_removed_after_a_day(tmp_path):
    old, young = (tmp_path / f"{name}{PARTIAL_SUFFIX}" for name in ("old", "young"))
    for path, age_h in ((old, 25), (young, 23)):
        path.write_bytes(b"half a case")
        os.utime(path, (time.time() - age_h * 3600,) * 2)
    CaseCache(tmp_path, max_gb=1.0)
    assert not old.exists()
    assert young.exists()


@pytest.mark.parametrize("damage", ["truncated", "voxel", "empty", "other file"])
def test_a_damaged_file_is_reported_and_replaced(cache, caplog, damage):
    cache.store(KEYS[0], IMAGE)
    (path,) = cache.folder.iterdir()
    stored = path.read_bytes()
    broken = {
        "truncated": stored[:-9],
        "voxel": stored[:900] + b"?" + stored[901:],
        "empty": b"",
        "other file": b"x",
    }
    path.write_bytes(broken[damage])
    assert cache.load(KEYS[0]) is None
    assert str(path) in caplog.text
    assert "damaged" in caplog.text
    cache.store(KEYS[0], IMAGE)
    assert torch.equal(cache.load(KEYS[0]), IMAGE)


def test_a_folder_that_cannot_be_made_costs_one_warning(tmp_path, caplog):
    (tmp_path / "file").write_text("no folder")
    cache = CaseCache(tmp_path / "file" / "cache", max_gb=1.0)
    cache.store(KEYS[0], IMAGE)
    assert cache.load(KEYS[0]) is None
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert str(cache.folder) in caplog.text


def test_a_full_disk_costs_one_warning_and_leaves_nothing_behind(cache, caplog, full_disk):
    for key in KEYS:
        cache.store(key, IMAGE)
    assert len(caplog.records) == 1
    assert list(cache.folder.iterdir()) == []


def test_what_was_kept_is_still_read_when_the_disk_is_full(cache, request):
    cache.store(KEYS[0], IMAGE)
    request.getfixturevalue("full_disk")
    cache.store(KEYS[1], IMAGE)
    assert cache._given_up
    assert torch.equal(cache.load(KEYS[0]), IMAGE)


def test_a_worker_does_not_repeat_the_warning_of_another(cache, full_disk):
    worker = multiprocessing.get_context("fork").Process(target=cache.store, args=(KEYS[0], IMAGE))
    worker.start()
    worker.join()
    assert worker.exitcode == 0
    assert cache._given_up


def test_a_cache_can_be_sent_to_a_worker(cache):
    cache.store(KEYS[0], IMAGE)
    assert torch.equal(pickle.loads(pickle.dumps(cache)).load(KEYS[0]), IMAGE)


def store_and_load(folder, value, queue):
    """Fill the same places as the others, with values of one's own, and count what is not whole."""
    cache, image = CaseCache(folder, max_gb=3.5 * SIZE_GB), torch.full_like(IMAGE, value)
    torn = 0
    for turn in range(60):
        key = KEYS[turn % len(KEYS)]
        cache.store(key, image)
        found = cache.load(key)
        torn += found is not None and not (found == found.flatten()[0]).all()
    queue.put((torn, bool(cache._given_up)))


def test_processes_that_write_the_same_cases_never_read_a_torn_one(tmp_path, caplog):
    context = multiprocessing.get_context("fork")
    queue = context.SimpleQueue()
    workers = [
        context.Process(target=store_and_load, args=(tmp_path, value, queue)) for value in (1, 2, 3)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [queue.get() for _ in workers] == [(0, False)] * 3
    assert not list(tmp_path.glob("*" + PARTIAL_SUFFIX))
