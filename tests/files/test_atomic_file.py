import csv
import errno
from collections.abc import Iterator

import pytest

from bundle.errors import OutputError
from bundle.files.atomic_file import (
    appearing_at_once,
    make_folder,
    unescaped,
    whole_file,
    write_csv,
)


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


FORMULAS = [
    "=1+1",
    "=cmd|' /C calc'!A0",
    "+1+1",
    "-x",
    "@SUM(1)",
    "'=1",
    "''@x",
    "-",
    "+",
    "=",
    "-1-1",
    "'-n",
]


@pytest.mark.parametrize("text", FORMULAS)
def test_a_spreadsheet_takes_text_for_text_and_it_comes_back(tmp_path, text):
    write_csv(tmp_path / "t.csv", ("name",), [{"name": text}])
    (row,) = read(tmp_path / "t.csv")
    assert row["name"] == f"'{text}"
    assert unescaped(row["name"]) == text


@pytest.mark.parametrize(
    "text",
    ["a", "a=b", "'quoted'", "it's", "", "größe-磁", "1.5", "-0.25", "+3", "-1e-5", "1-2", "'"],
)
def test_other_text_and_numbers_stay_what_they_are(tmp_path, text):
    write_csv(tmp_path / "t.csv", ("name", "x"), [{"name": text, "x": 0}])
    (row,) = read(tmp_path / "t.csv")
    assert row["name"] == text == unescaped(row["name"])


@pytest.mark.parametrize("value", [-1, -0.5, 3, float("nan"), None, True])
def test_numbers_are_never_text(tmp_path, value):
    write_csv(tmp_path / "t.csv", ("x", "y"), [{"x": value, "y": 1}])
    assert read(tmp_path / "t.csv")[0]["x"] == ("" if value is None else str(value))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2Ja", r"\x1b[2Ja"),
        ("a\rb", r"a\rb"),
        ("\t=1", r"'\t=1"),
        ("\r=1", r"'\r=1"),
        ("a\0b", r"a\x00b"),
        ("\ud800", r"\ud800"),
        ("\u202egpj", r"\u202egpj"),
        ("one\ntwo", "one\ntwo"),
    ],
    ids=ascii,
)
def test_control_characters_and_what_is_no_text_are_escaped(tmp_path, text, shown):
    write_csv(tmp_path / "t.csv", ("name",), [{"name": text}])
    assert read(tmp_path / "t.csv")[0]["name"] == shown


def read(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize(
    ("name", "cause"), [("file", "a file has that name"), ("file/x", "is a file, not a folder")]
)
def test_a_folder_that_is_or_lies_below_a_file_is_an_output_error(tmp_path, name, cause):
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match=cause) as caught:
        make_folder(tmp_path / name)
    assert (caught.value.code, caught.value.exit_code) == ("E_OUTPUT", 74)


@pytest.mark.parametrize(
    "name", ["a\0b", "x" * 300, "/".join(["x" * 200] * 30)], ids=["nul", "long", "deep"]
)
def test_a_folder_that_no_file_system_has_is_an_output_error(tmp_path, name):
    with pytest.raises(OutputError, match="must be writable"):
        make_folder(tmp_path / name)


def test_a_file_that_grows_too_large_is_an_output_error_with_the_cause(tmp_path):
    with (
        pytest.raises(OutputError, match="larger than the system allows"),
        appearing_at_once(tmp_path / "a"),
    ):
        raise OSError(errno.EFBIG, "File too large")
    assert list(tmp_path.iterdir()) == []


def test_a_whole_file_of_others_fails_in_their_words_and_leaves_nothing_behind(tmp_path):
    def fill_the_disk(file):
        assert [path.suffix for path in tmp_path.iterdir()] == [".part"]
        file.write(b"half")
        raise OSError(errno.ENOSPC, "full")

    with pytest.raises(OSError, match="full"), whole_file(tmp_path / "a", ending=".part") as file:
        fill_the_disk(file)
    assert list(tmp_path.iterdir()) == []
