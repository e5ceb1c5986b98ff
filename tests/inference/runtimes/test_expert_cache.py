import os
from pathlib import Path

import pytest

from bundle.inference.runtimes.expert_cache import (
    CACHE_VARIABLE,
    ConvertedExpert,
    ExpertCache,
    cache_folder,
)

EXPERT = ConvertedExpert(b"<net/>", bytes(range(200)))


def test_the_variable_names_the_folder_and_an_empty_one_does_not(monkeypatch, tmp_path):
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.setenv(CACHE_VARIABLE, "")
    assert cache_folder().name == "simmlm"


def test_what_was_stored_is_found_again_and_nothing_else(tmp_path):
    cache = ExpertCache(tmp_path / "new")
    assert cache.load("one") is None
    cache.store("one", EXPERT)
    assert ExpertCache(tmp_path / "new").load("one") == EXPERT
    assert cache.load("other") is None
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["one"]


@pytest.mark.parametrize("name", ["expert.xml", "expert.bin", "facts.json"])
@pytest.mark.parametrize("damage", ["flipped", "missing"])
def test_a_damaged_expert_is_as_good_as_absent_and_can_be_replaced(tmp_path, name, damage):
    cache = ExpertCache(tmp_path)
    cache.store("one", EXPERT)
    file = tmp_path / "one" / name
    content = file.read_bytes()
    file.unlink()
    if damage == "flipped":
        file.write_bytes(content[:-3] + b"???")
    assert cache.load("one") is None
    cache.store("one", EXPERT)
    assert cache.load("one") == EXPERT


def test_those_used_longest_ago_go_when_there_is_no_room(tmp_path):
    cache = ExpertCache(tmp_path)
    cache.store("old", EXPERT)
    cache.max_bytes = 3 * sum(file.stat().st_size for file in (tmp_path / "old").iterdir())
    for age, key in ((30, "old"), (20, "used"), (10, "new")):
        cache.store(key, EXPERT)
        os.utime(tmp_path / key, (10**9 - age, 10**9 - age))
    assert cache.load("old") == EXPERT  # touched: now the newest
    cache.store("newest", EXPERT)
    assert {path.name for path in Path(tmp_path).iterdir()} == {"old", "new", "newest"}


def test_the_newest_stays_however_large_it_is(tmp_path):
    cache = ExpertCache(tmp_path, max_bytes=1)
    cache.store("one", EXPERT)
    assert cache.load("one") == EXPERT


def test_a_folder_that_cannot_be_made_is_an_error_of_the_system(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        ExpertCache(tmp_path / "file" / "cache").store("one", EXPERT)
