"""Text of other people, such as names of files and answers of servers, as it may be shown on a
terminal.
"""


def printable(text: str, *, keep_lines: bool = False) -> str:
    r"""Escape what is not a printable character, so that a name can neither steer a terminal nor
    stop a program.

    Control and formatting characters, line breaks and what stands for bytes that are no text become
    ``\x1b`` and the like; letters of all languages stay.

    Args:
        text: any text, also with surrogates, as file names have that are not UTF-8.
        keep_lines: leave line feeds, for messages of several lines.
    """
    if text.isprintable():
        return text
    return "".join(
        letter if letter.isprintable() or (keep_lines and letter == "\n") else _escaped(letter)
        for letter in text
    )


def _escaped(letter: str) -> str:
    return letter.encode("unicode_escape").decode("ascii")
