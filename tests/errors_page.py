"""Writes docs/errors.md of what the code says: ``python -m tests.errors_page``."""

import ast
import re
from collections import defaultdict
from pathlib import Path

import bundle
from bundle import errors
from bundle.error_codes.error_code import ErrorCode
from bundle.errors import UserError

ROOT = Path(bundle.__file__).parents[1]
PAGE = ROOT / "docs" / "errors.md"

_CODE = re.compile(r"(E_[A-Z0-9_]+)(?:: |$)")
_HEAD = """# Errors

An error is one sentence behind one of these codes, which stay the same from version to version. The sentence names the case and the
file, what must be, what was found instead, and the way out. Errors stand on the terminal, in `cases.csv` under `reason`, and in `simmlm data`.

The exit status is 0 if all went well, 1 if a case failed, 2 for wrong usage, 70 if the program is at fault, 74 if the output cannot be written, 75 if the time
for a training is over (the same command goes on), 78 if weights or settings are unusable, 130 after Ctrl-C, 143 after SIGTERM. In a batch a case with
an error of status 1 fails alone: the others go on, and the run ends with 1. Some codes have several statuses, since they say the same of
one case and of a whole command.

| code | what is wrong | what to do | exit status |
| --- | --- | --- | --- |
"""


def page() -> str:
    """Return the page of all codes, in the order of the alphabet."""
    statuses = exit_statuses(sources())
    rows = [
        f"| `{code}` | {code.wrong} | {code.way_out} | {_listed(statuses[code])} |\n"
        for code in sorted(ErrorCode)
    ]
    return _HEAD + "".join(rows)


def sources() -> list[str]:
    """Return the text of every module but those that declare the codes."""
    package = ROOT / "bundle"
    paths = {*package.rglob("*.py")} - {*(package / "error_codes").rglob("*.py")}
    return [path.read_text(encoding="utf-8") for path in sorted(paths)]


def exit_statuses(texts: list[str]) -> dict[str, set[int]]:
    """Return the exit statuses of each code, from the classes of the errors that are made with it.

    A code that is nowhere beside such a class is handed on in a variable: by what reads images and
    by what runs batches, so that it concerns one case.
    """
    statuses: dict[str, set[int]] = defaultdict(set)
    for node in (node for text in texts for node in ast.walk(ast.parse(text))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.args:
            kind, code = getattr(errors, node.func.id, None), code_in(node.args[0])
            if code and isinstance(kind, type) and issubclass(kind, UserError):
                statuses[code].add(kind.exit_code)
    return statuses


def used_codes(texts: list[str]) -> set[str]:
    """Return the codes that modules use: texts that are one or begin with one, and members."""
    found = {code_in(node) for text in texts for node in ast.walk(ast.parse(text))}
    return {code for code in found if code is not None}


def code_in(node: ast.AST) -> str | None:
    """Return the code that a piece of a module stands for; None where it stands for none."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        found = _CODE.match(node.value)
        return found.group(1) if found else None
    if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "ErrorCode":
        return str(ErrorCode[node.attr])
    return None


def _listed(statuses: set[int]) -> str:
    return ", ".join(map(str, sorted(statuses or {UserError.exit_code})))


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
