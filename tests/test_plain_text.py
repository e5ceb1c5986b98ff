import pytest

from bundle.plain_text import printable


@pytest.mark.parametrize("text", ["", "BraTS-GLI-00001-000", "größe 磁", "a b", "[b]100 %"])
def test_what_can_be_printed_stays_as_it_is(text):
    assert printable(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2Ja", r"\x1b[2Ja"),
        ("a\nb\rc", r"a\nb\rc"),
        ("M\udcfcller", r"M\udcfcller"),
        ("\u202egnp.exe", r"\u202egnp.exe"),
        ("a\0b\x07", r"a\x00b\x07"),
        ("\u2028", r"\u2028"),
    ],
)
def test_what_would_act_on_a_terminal_or_is_no_text_is_escaped(text, shown):
    assert printable(text) == shown
    assert printable(text).isprintable()
    printable(text).encode("utf-8")


def test_line_feeds_stay_where_a_message_has_lines_but_nothing_else_does():
    assert printable("a\nb\x1b", keep_lines=True) == "a\nb\\x1b"
