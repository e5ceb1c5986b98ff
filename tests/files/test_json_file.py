import os

import pytest

from bundle.errors import UsageError
from bundle.files import json_file, text_file
from bundle.files.json_file import parse_json, read_json, write_json


def refusal(path) -> str:
    with pytest.raises(UsageError) as caught:
        read_json(path)
    assert caught.value.code == "E_JSON"
    assert path.name in str(caught.value)
    return str(caught.value)


def write(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_json_is_read_in_the_encodings_of_windows_too(tmp_path, encoding):
    assert read_json(write(tmp_path / "a.json", '{"größe": [1, "ß"]}'.encode(encoding))) == {
        "größe": [1, "ß"]
    }


@pytest.mark.parametrize("content", ["0", "[]", "5", ""])
def test_the_shortest_files_are_read_or_refused(tmp_path, content):
    path = write(tmp_path / "a.json", content)
    assert (
        read_json(path) == []
        if content == "[]"
        else read_json(path) == int(content)
        if content
        else refusal(path)
    )


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('{"a": 1, "b": 2, "a": 3}', "the key 'a' twice"),
        ('{"' + "k" * 5000 + '": 1, "' + "k" * 5000 + '": 2}', "kkk...kkk"),
        ('{"\\u001b": 1, "\\u001b": 2}', r"\\x1b"),
        ("[" * 100_000 + "]" * 100_000, "nested too deeply"),
        ('{"a":' * 100_000 + "1" + "}" * 100_000, "nested too deeply"),
        ("[" + "9" * 1_000_000 + "]", "a number of 1000000 digits"),
        ('{"a": }', "Expecting value"),
        ("größe".encode("latin-1"), "as in Latin-1"),
        ('{"a": 1}'.encode("utf-16")[:-1], "cut or damaged"),
    ],
    ids=lambda value: repr(value)[:20],
)
def test_what_is_no_json_is_refused_in_a_short_sentence(tmp_path, content, words):
    message = refusal(write(tmp_path / "a.json", content))
    assert words in message
    assert message.isprintable()
    assert len(message) < 600


def test_doubled_keys_are_found_without_comparing_each_with_all(tmp_path, monkeypatch):
    class Counting(str):
        compared = 0
        __slots__ = ()
        __hash__ = str.__hash__

        def __eq__(self, other):
            Counting.compared += 1
            return str.__eq__(self, other)

    pairs = [(Counting(number // 2), number) for number in range(4000)]
    with pytest.raises(ValueError, match="twice"):
        json_file._distinct(pairs)
    assert Counting.compared < 10 * len(pairs)


@pytest.mark.parametrize("kind", ["folder", "fifo", "device", "missing", "nul"])
def test_what_is_no_file_is_refused_before_it_is_opened(tmp_path, kind):
    path = {"device": tmp_path / "zero.json", "nul": tmp_path / "a\0b.json"}.get(
        kind, tmp_path / "a.json"
    )
    if kind == "folder":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    with pytest.raises(UsageError, match="must be") as caught:
        read_json(path)
    assert str(caught.value).isprintable()


def test_a_file_over_the_limit_is_refused_and_one_at_the_limit_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(text_file, "MAX_BYTES", 2**20)
    assert read_json(write(tmp_path / "a.json", "[" + " " * (2**20 - 2) + "]")) == []
    assert "at most 1 MiB" in refusal(write(tmp_path / "a.json", "[" + " " * (2**20 - 1) + "]"))


def test_more_values_than_any_list_has_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(json_file, "MAX_VALUES", 10)
    assert len(read_json(write(tmp_path / "a.json", "[" + "1," * 8 + "1]"))) == 9
    assert "at most 10 values" in refusal(write(tmp_path / "a.json", "[" + "[]," * 5 + "1]"))


@pytest.mark.parametrize("text", ["NaN", "[Infinity]", '{"a": -Infinity}', "1e999", "[-1e999]"])
@pytest.mark.parametrize("kind", [str, str.encode])
def test_a_number_that_is_not_finite_is_refused_where_nothing_else_is_said(text, kind):
    with pytest.raises(ValueError, match=r"is no number|is too large"):
        parse_json(kind(text))
    parse_json(kind(text), finite=False)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"a": 1, "a": 2}', "the key 'a' twice"),
        ("[" * 100_000, "nested too deeply"),
        ("9" * 5000, "a number of 5000 digits"),
        ("{", "Expecting"),
        (b"\xff\xfe\xff", "codec"),
    ],
    ids=lambda value: repr(value)[:20],
)
def test_all_that_is_no_json_is_one_kind_of_error(text, words):
    with pytest.raises(ValueError, match=words):
        parse_json(text)


def test_what_is_written_is_read_again_in_letters_that_people_read(tmp_path):
    value = {"größe": [1, 0.1, None, True], "磁": "a\nb", "name": "\udcff.nii"}
    write_json(tmp_path / "a.json", value)
    content = (tmp_path / "a.json").read_bytes()
    assert parse_json(content) == value
    assert "größe".encode() in content
    assert content.endswith(b"\n}\n")


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_a_number_that_json_does_not_have_is_not_written(tmp_path, number):
    (tmp_path / "a.json").write_bytes(b"{}\n")
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "a.json", {"a": number})
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"a.json": b"{}\n"}
