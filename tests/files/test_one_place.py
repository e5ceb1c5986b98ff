"""What only `bundle/files` may do, so that it is done in one way."""

import ast
from pathlib import Path

import pytest

import bundle

ROOT = Path(bundle.__file__).parent
MODULES = {"hashlib", "tempfile"}
CALLS = {"os.replace", "os.rename", "os.fsync", "os.link"}
JSON = {
    "cases/case_record.py": "text between transforms, where a header's NaN must come back",
    "training/resumption.py": "text that older states hold and that is compared with it",
    "training/samples/case_keys.py": "text that is hashed, the same in every version",
    "serving/label_server.py": "a field of a request",
    "outputs/load_in_slicer.py": "runs in 3D Slicer, without this package",
}
"""Modules that use `json` themselves, and why."""


def outside() -> list[str]:
    paths = sorted(path.relative_to(ROOT) for path in ROOT.rglob("*.py"))
    return [path.as_posix() for path in paths if path.parts[0] != "files"]


def parsed(name: str) -> ast.AST:
    return ast.parse((ROOT / name).read_text(encoding="utf-8"))


def imported(tree: ast.AST) -> set[str]:
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(str(node.module))
    return names


def moves(tree: ast.AST) -> set[str]:
    """Return the calls that name, move or sync files; `replace` of a path has one argument, that of
    a text two.
    """
    found = set()
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        words = ast.unparse(node.func)
        is_path = node.func.attr == "rename" or (
            node.func.attr == "replace" and len(node.args) == 1 and not node.keywords
        )
        if words in CALLS or is_path:
            found.add(words)
    return found


@pytest.mark.parametrize("name", outside())
def test_no_other_room_hashes_names_temporary_files_or_moves_and_syncs_files(name):
    tree = parsed(name)
    assert imported(tree) & MODULES == set()
    assert moves(tree) == set()


@pytest.mark.parametrize("name", outside())
def test_no_other_room_reads_or_writes_json_but_those_that_say_why(name):
    assert ("json" in imported(parsed(name))) == (name in JSON)


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("os.replace(a, b)", 1),
        ("os.fsync(file.fileno())", 1),
        ("path.replace(target)", 1),
        ("path.rename(target)", 1),
        ("text.replace('a', 'b')", 0),
        ("replace(facts, shape=shape)", 0),
    ],
)
def test_what_moves_or_syncs_a_file_is_seen(source, found):
    assert len(moves(ast.parse(source))) == found
