import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import bundle

ROOT = Path(bundle.__file__).parent
LAYERS = (
    ("error_codes", "plain_text", "interruption"),
    ("errors",),
    ("files", "setting_kinds"),
    ("tasks",),
    ("settings", "component_settings", "uncaught", "search_path"),
    ("bundle_config", "config_files", "devices", "tensors"),
    ("configuration", "processes"),
    ("mixture", "volumes", "names"),
    ("volume_networks",),
    ("weights", "phantoms", "datasets", "registration", "brains", "pacs"),
    ("cases",),
    ("dicom",),
    ("preparing",),
    ("inference",),
    ("training", "evaluation", "outputs", "peers"),
    ("cohorts", "segmenter", "classification"),
    ("serving",),
    ("cli",),
)
DEPTH = {part: depth for depth, parts in enumerate(LAYERS) for part in parts}
FILES = sorted(ROOT.rglob("*.py"))
EACH_FILE = pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))


def part_of(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imported_parts(tree: ast.AST) -> Iterator[str]:
    """Name the parts of the package that a module imports; '' stands for the package's own
    __init__.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"relative import in line {node.lineno}"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            if name.split(".")[0] == "bundle":
                yield (
                    ""
                    if name == "bundle.__version__"
                    else name.removeprefix("bundle.").split(".")[0]
                )


def forbidden_imports(part: str, source: str) -> list[str]:
    """List the imported parts that do not lie in a lower layer."""
    others = [other for other in imported_parts(ast.parse(source)) if other not in ("", part)]
    return [other for other in others if DEPTH.get(other, len(LAYERS)) >= DEPTH[part]]


def test_every_module_has_a_layer():
    assert {part_of(path) for path in FILES} == {*DEPTH, "__init__"}


@EACH_FILE
def test_imports_go_down_only_and_siblings_do_not_know_each_other(path):
    if part_of(path) != "__init__":
        assert forbidden_imports(part_of(path), path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("part", "source"),
    [
        ("volumes", "from bundle.mixture.dmome import DMoME"),
        ("mixture", "import bundle.datasets.labelled_cases"),
        ("training", "from bundle.outputs import map_writer"),
        ("tasks", "def late():\n    from bundle.cli.app import app"),
        ("errors", "from bundle import nowhere"),
    ],
)
def test_an_import_of_a_sibling_or_of_a_higher_layer_is_seen(part, source):
    assert len(forbidden_imports(part, source)) == 1


@pytest.mark.parametrize("name", ["error_codes", "plain_text", "tensors"])
def test_the_words_of_the_project_know_no_other_module(name):
    modules = [path for path in FILES if part_of(path) == name]
    assert modules
    for path in modules:
        assert set(imported_parts(ast.parse(path.read_text(encoding="utf-8")))) <= {name}


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("devices", {"errors"}),
        ("component_settings", {"errors"}),
        ("setting_kinds", {"errors"}),
        ("settings", {"setting_kinds", "tasks"}),
        ("bundle_config", {"errors", "files", "component_settings"}),
        ("errors", {"error_codes"}),
        ("config_files", {"errors", "plain_text", "files", "tasks", "uncaught"}),
        (
            "configuration",
            {"errors", "plain_text", "config_files"}
            | {"settings", "setting_kinds", "component_settings", "bundle_config"},
        ),
    ],
)
def test_configuration_and_devices_know_only_errors_files_and_settings(name, known):
    assert (
        set(imported_parts(ast.parse((ROOT / f"{name}.py").read_text(encoding="utf-8")))) == known
    )


OUTSIDE = {"cli", "phantoms", "segmenter"}
FORBIDDEN = {
    "inference.yaml": OUTSIDE | {"training", "evaluation", "peers"},
    "avmnist/evaluate.yaml": OUTSIDE | {"peers", "serving"},
    "evaluate.yaml": OUTSIDE | {"training", "peers", "serving"},
    "peers": OUTSIDE | {"evaluation", "outputs", "cohorts", "serving"},
    "": OUTSIDE | {"evaluation", "outputs", "peers", "cohorts", "serving"},
}
"""Rooms that a config must not name; "" stands for those of training and what is merged over them."""
CONFIGS = sorted(path for path in (ROOT.parent / "configs").rglob("*.yaml"))


def named_rooms(text: str) -> set[str]:
    """Return the parts of the package that a config names, in ``_target_`` or in an expression."""
    return set(re.findall(r"\bbundle\.([a-z_]+)\.", text))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_a_config_names_only_rooms_of_its_own_purpose(path):
    places = (path.relative_to(ROOT.parent / "configs").as_posix(), path.name, path.parent.name)
    forbidden = next((FORBIDDEN[place] for place in places if place in FORBIDDEN), FORBIDDEN[""])
    named = named_rooms(path.read_text(encoding="utf-8"))
    assert named <= {*DEPTH}
    assert named & forbidden == set()


def test_a_room_is_seen_in_a_target_and_in_an_expression():
    assert named_rooms("_target_: bundle.training.history.History\n$import bundle.devices.x") == {
        "training",
        "devices",
    }


LATE = {
    "bundle/cli/app.py",
    "bundle/cli/calibrate_command.py",
    "bundle/cli/join_command.py",
    "bundle/cli/reference_command.py",
    "bundle/cli/class_commands.py",
    "bundle/cli/class_data_commands.py",
    "bundle/cli/compare_command.py",
    "bundle/cli/data_commands.py",
    "bundle/cli/evaluate_command.py",
    "bundle/cli/monai_loading.py",
    "bundle/cli/pack_command.py",
    "bundle/cli/pacs_commands.py",
    "bundle/cli/prepare_command.py",
    "bundle/cli/report_command.py",
    "bundle/cli/segment_command.py",
    "bundle/cli/serve_command.py",
    "bundle/cli/study_command.py",
    "bundle/cli/train_command.py",
    "bundle/cohorts/cohort_preparation.py",
    "bundle/component_settings.py",
    "bundle/configuration.py",
    "bundle/outputs/dicom/dicom_files.py",
    "bundle/outputs/preview_file.py",
    "bundle/outputs/report/report_files.py",
}
"""Where heavy libraries are loaded only when they are needed: a command, a part, a picture."""


@pytest.mark.parametrize(
    "path",
    [path for path in FILES if path.relative_to(ROOT.parent).as_posix() not in LATE],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_no_function_imports_but_where_that_saves_loading_a_heavy_library(path):
    functions = (
        node
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )
    late = [
        inner.lineno
        for function in functions
        for inner in ast.walk(function)
        if isinstance(inner, ast.Import | ast.ImportFrom)
    ]
    assert late == []


@pytest.mark.parametrize(
    "path", sorted(ROOT.rglob("__init__.py")), ids=lambda path: str(path.relative_to(ROOT))
)
def test_no_package_exports_what_another_module_defines(path):
    if path.parent == ROOT:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        assert not any(isinstance(node, ast.Import | ast.ImportFrom) for node in ast.walk(tree))
    else:
        assert path.read_text(encoding="utf-8") == ""
