"""Puts texts into tables of Markdown and LaTeX."""

from collections.abc import Sequence

_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": "$<$",
    ">": "$>$",
}
_LATEX |= {"|": r"\textbar{}", **{character: f"\\{character}" for character in "&%$#_{}"}}
_LATEX_NUMBER = str.maketrans({"-": "$-$", "–": "--"})
_MARKDOWN = frozenset("\\|*_`[]<>~&$")


def latex_text(text: str) -> str:
    """Escape what LaTeX would take for a command, and keep it on one line."""
    return "".join(_LATEX.get(character, character) for character in _one_line(text))


def latex_number(text: str) -> str:
    """Write the minus signs and dashes of a cell as LaTeX does."""
    return text.translate(_LATEX_NUMBER)


def markdown_text(text: str) -> str:
    """Escape what would end the cell of a table or start another element, and keep it on
    one line.
    """
    return "".join(
        f"\\{character}" if character in _MARKDOWN else character for character in _one_line(text)
    )


def markdown_table(
    head: Sequence[str], rows: Sequence[Sequence[str]], rule: Sequence[str] | None = None
) -> str:
    """Put cells together.

    Without a rule the first column is left-aligned and the others are right-aligned.
    """
    rule = rule or ["---"] + ["---:"] * (len(head) - 1)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, rule, *rows))


def latex_table(
    head: Sequence[str], groups: Sequence[Sequence[Sequence[str]]], columns: str
) -> str:
    """Put cells together; groups of rows are parted by lines."""
    bodies = []
    for rows in ([head], *groups):
        lines = [rf"{' & '.join(cells)} \\" for cells in rows]
        bodies.append("\n".join(lines))
    body = "\n\\midrule\n".join(bodies)
    return f"\\begin{{tabular}}{{{columns}}}\n\\toprule\n{body}\n\\bottomrule\n\\end{{tabular}}"


def _one_line(text: str) -> str:
    return "".join(character if character.isprintable() else " " for character in text)
