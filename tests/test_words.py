"""No module but those of the tasks names a modality, a region or a numbering."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import bundle
from bundle.tasks.task import Task
from bundle.tasks.task_file import load_task, task_names

ROOT = Path(bundle.__file__).parent
TASKS = [load_task(name) for name in task_names()]
FILES = sorted(path for path in ROOT.rglob("*.py") if path.parent != ROOT / "tasks")
TO_DO: set[str] = set()
"""Rooms and modules that still name some."""
FACADES = ("bundle.tasks.modalities", "bundle.tasks.regions")


def words_of(task: Task) -> set[str]:
    """Name the words that belong to a task alone; those of a letter or two are not to be told from
    others.
    """
    words = {name for modality in task.modalities for name in (modality.name, *modality.aliases)}
    words |= {region.name for region in task.regions} | set(task.numberings) | {task.finding}
    return {word for word in words if word not in COMMON}


COMMON = {"plain", "t1", "t2", "msd", "lesion", "mprage"}
"""Names with another meaning too: a numbering like any other, variables of time, the Decathlon's
layout, what phantoms draw and trainings mix, and a word of scanners.
"""
WORDS = set().union(*map(words_of, TASKS))
PATTERN = re.compile(
    "|".join(rf"(?<![A-Za-z0-9]){re.escape(word)}s?(?![A-Za-z0-9])" for word in sorted(WORDS))
)


def is_to_do(path: Path) -> bool:
    place = path.relative_to(ROOT)
    return place.parts[0] in TO_DO or place.as_posix() in TO_DO


def said(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """List the texts and identifiers of a module with their lines, without docstrings and the help
    of options.
    """
    skipped = {id(node) for text in explained(tree) for node in ast.walk(text)}
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        line = getattr(node, "lineno", 0)
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield line, node.value
        elif isinstance(node, ast.Name):
            yield line, node.id
        elif isinstance(node, ast.Attribute):
            yield line, node.attr
        elif isinstance(node, ast.arg):
            yield line, node.arg
        elif isinstance(node, ast.keyword | ast.alias):
            yield line, str(getattr(node, "arg", None) or getattr(node, "name", ""))
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield line, node.name


def explained(tree: ast.AST) -> Iterator[ast.AST]:
    """Find docstrings, of constants too, and the help of options."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            yield node
        if isinstance(node, ast.keyword) and node.arg == "help":
            yield node


def named(source: str) -> list[str]:
    """List the words of tasks in a module, each with its line."""
    found: list[str] = []
    for line, text in said(ast.parse(source)):
        found += [f"{line}: {word}" for word in PATTERN.findall(text)]
    return found


@pytest.mark.parametrize(
    "path",
    [path for path in FILES if not is_to_do(path)],
    ids=lambda path: path.relative_to(ROOT).as_posix(),
)
def test_a_module_names_no_modality_no_region_and_no_numbering(path):
    source = path.read_text(encoding="utf-8")
    assert named(source) == []
    assert [facade for facade in FACADES if facade in source] == []


@pytest.mark.parametrize("place", sorted(TO_DO))
def test_what_is_still_to_do_does_name_some(place):
    """A room that is done leaves the list."""
    paths = [path for path in FILES if is_to_do(path)]
    own = [path for path in paths if path.relative_to(ROOT).as_posix().startswith(place)]
    sources = [path.read_text(encoding="utf-8") for path in own]
    assert any(named(source) or any(name in source for name in FACADES) for source in sources)


@pytest.mark.parametrize(
    "source",
    [
        "x = 't1c'",
        "x = f'{a}-t2f.nii.gz'",
        "def f(t1n): pass",
        "x = images['WT']",
        "x.flair",
        "f(brats2021=1)",
        "raise E('Case has no tumour')",
    ],
)
def test_a_word_of_a_task_is_seen(source):
    assert named(source) != []


@pytest.mark.parametrize(
    "source",
    [
        '"""Reads t1c and t2f."""',
        'x = 1\n"""Of t1n."""',
        "x = Option(help='such as t1c')",
        "def f():\n    '''Return WT.'''",
        "x = what",
        "t1 = time()",
    ],
)
def test_words_that_explain_are_let_alone(source):
    assert named(source) == []
