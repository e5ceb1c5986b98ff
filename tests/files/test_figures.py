import errno

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.image import imread
from PIL import Image

from bundle.errors import OutputError
from bundle.files.figures import printable, save_figure


def figure(title="", dpi=50) -> Figure:
    drawn = Figure(figsize=(3, 2), dpi=dpi)
    drawn.text(0.1, 0.5, title, parse_math=False)
    return drawn


@pytest.mark.parametrize("dpi", [50, 75])
def test_a_figure_is_written_as_png_with_its_own_resolution(tmp_path, dpi):
    save_figure(figure(dpi=dpi), tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    assert imread(tmp_path / "a.png").shape[:2] == (2 * dpi, 3 * dpi)
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


def test_the_name_of_the_file_does_not_choose_its_format(tmp_path):
    save_figure(figure(), tmp_path / "a.pdf")
    assert (tmp_path / "a.pdf").read_bytes().startswith(b"\x89PNG")


def test_the_same_figure_gives_the_same_bytes_and_has_no_date(tmp_path):
    for name in ("one", "two"):
        save_figure(figure("ET"), tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    with Image.open(tmp_path / "one") as written:
        assert set(written.info) == {"Software", "dpi"}


def test_another_figure_gives_other_bytes(tmp_path):
    save_figure(figure("ET"), tmp_path / "a.png")
    older = (tmp_path / "a.png").read_bytes()
    save_figure(figure("TC"), tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes() != older


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "full"), ValueError("a bad figure"), KeyboardInterrupt()]
)
def test_a_picture_that_is_not_finished_keeps_the_older_one_and_leaves_nothing_behind(
    tmp_path, monkeypatch, error
):
    def stop_halfway(_canvas, file):
        file.write(b"half")
        raise error

    (tmp_path / "a.png").write_bytes(b"old")
    monkeypatch.setattr(FigureCanvasAgg, "print_png", stop_halfway)
    with pytest.raises(OutputError if isinstance(error, OSError) else type(error)):
        save_figure(figure(), tmp_path / "a.png")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"a.png": b"old"}


def test_a_folder_that_is_not_there_is_an_output_error_that_names_the_file(tmp_path):
    with pytest.raises(OutputError, match=r"gone.a\.png must be writable") as caught:
        save_figure(figure(), tmp_path / "gone" / "a.png")
    assert caught.value.code == "E_WRITE"


@pytest.mark.parametrize(
    "text", ["BraTS-GLI-00001-000", "Übung é ß", "αβγ μ ± × –", "$x_1$ \\frac {a}", " ", ""]
)
def test_what_the_font_has_is_left_as_it_is(text):
    assert printable(text, 100) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("患者 1", "?? 1"),
        ("a\nb\tc\x00", "a?b?c?"),
        ("\u202etxt", "?txt"),
        ("a\ud800", "a?"),
        ("🧠", "?"),
    ],
    ids=ascii,
)
def test_each_letter_that_cannot_be_drawn_becomes_one_question_mark(text, expected):
    assert printable(text, 100) == expected


@pytest.mark.parametrize(
    "text", ["患者 🧠", "a\nb\x00\u202e\ud800", "".join(map(chr, range(0x3000, 0x3100)))], ids=ascii
)
def test_drawing_what_was_made_printable_gives_no_warning(tmp_path, text):
    """Warnings are errors here, and the font's missing letters would be some."""
    save_figure(figure(printable(text, 50)), tmp_path / "a.png")


@pytest.mark.parametrize(
    ("text", "expected"), [("abcd", "abcd"), ("abcde", "abcd…"), ("患者患者患", "????…")]
)
def test_text_longer_than_allowed_is_cut_and_says_so(text, expected):
    assert printable(text, 4) == expected
