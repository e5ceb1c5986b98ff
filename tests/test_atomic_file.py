import csv
from collections.abc import Iterator

import pytest

from bundle.atomic_file import appearing_at_once, write_csv
from bundle.errors import OutputError


def half_of_it() -> Iterator[bytes]:
    yield b"ne"
    raise ValueError("half way")


def test_an_error_while_writing_keeps_the_older_file_and_leaves_nothing_behind(tmp_path):
    (tmp_path / "a").write_bytes(b"old")
    with pytest.raises(ValueError, match="half way"), appearing_at_once(tmp_path / "a") as file:
        file.writelines(half_of_it())
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"a": b"old"}


def test_the_name_appears_only_when_everything_is_written(tmp_path):
    with appearing_at_once(tmp_path / "a") as file:
        file.write(b"new")
        assert not (tmp_path / "a").exists()
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"a": b"new"}


def test_a_table_comes_back_as_it_was_written_and_a_missing_value_is_empty(tmp_path):
    rows = [{"name": 'an "odd", one\nof two lines', "value": 1.5}, {"name": "ä"}]
    write_csv(tmp_path / "t.csv", ("name", "value"), rows)
    with (tmp_path / "t.csv").open(newline="", encoding="utf-8") as file:
        table = list(csv.reader(file))
    assert table == [["name", "value"], ['an "odd", one\nof two lines', "1.5"], ["ä", ""]]


def test_a_table_that_cannot_be_written_is_an_output_error_and_leaves_nothing_behind(tmp_path):
    (tmp_path / "t.csv").mkdir()
    with pytest.raises(OutputError, match=r"t\.csv"):
        write_csv(tmp_path / "t.csv", ("a",), [])
    assert [path.name for path in tmp_path.iterdir()] == ["t.csv"]
