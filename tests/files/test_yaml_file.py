import pytest
import yaml

from bundle.files.yaml_file import read_yaml


@pytest.fixture
def write(tmp_path):
    def write(text: str | bytes):
        path = tmp_path / "file.yaml"
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    return write


def test_values_are_those_of_the_library(write):
    text = "a: [1, 2.5, ~, yes, 'no']\nb: &x {c: é}\nd: *x\ne: 2021-01-01\n"
    assert read_yaml(write(text)) == yaml.safe_load(text)


@pytest.mark.parametrize("text", ["a: 1\nb: 2\na: 3\n", "x: [{b: 1, 'b': 2}]\n"])
def test_a_key_that_stands_twice_is_refused(write, text):
    with pytest.raises(yaml.YAMLError, match=r"the key '[ab]' twice"):
        read_yaml(write(text))


@pytest.mark.parametrize("text", ["a: [1", "a: !!python/object/apply:os.getcwd []", "- a\nb: 1\n"])
def test_what_is_no_plain_yaml_is_refused(write, text):
    with pytest.raises(yaml.YAMLError):
        read_yaml(write(text))


@pytest.mark.parametrize("unit", ["[", "{a: ", "- "])
def test_nesting_without_end_is_an_error_and_not_the_end_of_the_process(write, unit):
    with pytest.raises(RecursionError):
        read_yaml(write(unit * 100_000))


@pytest.mark.parametrize("unit", ["[", "- "])
def test_nesting_that_the_fast_loader_takes_is_read(write, unit):
    text = unit * 400 + ("]" * 400 if unit == "[" else "a")
    value = read_yaml(write(text))
    depth = 0
    while isinstance(value, list) and value:
        value, depth = value[0], depth + 1
    assert depth == (399 if unit == "[" else 400)


def test_what_is_no_text_is_refused(write):
    with pytest.raises(UnicodeDecodeError):
        read_yaml(write(b"a: \xff\n"))
