import pytest

from bundle.classification.image_text.case_files import read_image_text
from bundle.classification.image_text.food101 import read_food101
from bundle.classification.image_text.title_tables import read_titles, table_of
from bundle.errors import UserError


@pytest.fixture
def files(drawn_food, tmp_path) -> dict:
    """The first test case, as a picture and a text of its own."""
    first = read_titles(table_of(drawn_food, "test"))[0]
    (tmp_path / "a.txt").write_text(f"{first.title}\n", encoding="utf-8")
    image = drawn_food / "images" / "test" / first.class_name / first.file
    return {"image": image, "text": tmp_path / "a.txt"}


def test_a_case_of_files_is_what_the_reader_of_the_folder_gives(files, drawn_food):
    expected = read_food101(drawn_food, "test", image_size=16).read([0])
    found = read_image_text(files, image_size=16)
    assert found.keys() == expected.keys()
    assert all(found[name].equal(expected[name]) for name in found)


@pytest.mark.parametrize(("given", "missing"), [("image", "text"), ("text", "image")])
def test_what_is_not_given_is_zeros_of_the_same_shape(files, given, missing):
    both = read_image_text(files, image_size=16, max_tokens=8, n_buckets=64)
    one = read_image_text({given: files[given]}, image_size=16, max_tokens=8, n_buckets=64)
    assert one[given].equal(both[given])
    assert one[missing].shape == both[missing].shape
    assert one[missing].dtype == both[missing].dtype
    assert not one[missing].any()


@pytest.mark.parametrize(
    ("kind", "content", "code", "rule"),
    [
        ("text", b"cr\xe8me", "E_TEXT", "iconv -f WINDOWS-1252 -t UTF-8"),
        ("text", b"", "E_TEXT", "must have a word; got none"),
        ("text", b"?!", "E_TEXT", "must have a word; got none"),
        ("image", b"no picture", "E_PICTURE", "must be a whole picture; got: not a picture"),
        ("image", b"", "E_PICTURE", "must be a whole picture"),
    ],
)
def test_a_file_that_cannot_be_used_is_one_sentence_with_its_name(
    tmp_path, kind, content, code, rule
):
    path = tmp_path / "given.bin"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"given\.bin") as caught:
        read_image_text({kind: path}, image_size=16)
    assert caught.value.code == code
    assert rule in str(caught.value)


@pytest.mark.parametrize("kind", ["image", "text"])
def test_a_file_that_is_not_there_is_refused(tmp_path, kind):
    with pytest.raises(UserError, match="nowhere"):
        read_image_text({kind: tmp_path / "nowhere"})


@pytest.mark.parametrize("names", [(), ("audio",), ("image", "audio")])
def test_a_case_of_nothing_or_of_another_modality_is_refused(files, names):
    with pytest.raises(UserError, match="files of image and text") as caught:
        read_image_text(dict.fromkeys(names, files["image"]))
    assert caught.value.code == "E_FILE_NAME"
