"""What the command line loads before it is needed: each in a process of its own."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bundle.cli.app import app
from bundle.cli.monai_loading import OPTIONAL, SHARDED_OPTIMIZERS
from tests.test_bad_input import options

ROOT = Path(__file__).resolve().parents[2]
COMMANDS = [command.callback.__name__ for command in app.registered_commands]
LIBRARIES = (
    "torch",
    "monai",
    "ignite",
    "scipy",
    "nibabel",
    "SimpleITK",
    "nrrd",
    "slicerio",
    "matplotlib",
    "requests",
    "pandas",
    "sklearn",
    "mlflow",
    "openvino",
)
RUN = """
import json, sys
from bundle.cli.app import app
watched = json.loads(sys.argv[2])
for call in json.loads(sys.argv[1]):
    try:
        app(call, prog_name="simmlm")
    except SystemExit as end:
        print("status", end.code or 0, *(name for name in watched if sys.modules.get(name)))
"""


def statuses(*calls: list[str], watched=LIBRARIES) -> list[str]:
    """Run commands one after the other; return each one's exit status and what of some libraries
    is loaded then.
    """
    command = [sys.executable, "-c", RUN, json.dumps(calls), json.dumps(watched)]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=True,
    )
    return [line for line in done.stdout.splitlines() if line.startswith("status ")]


def test_help_and_version_load_no_heavy_library():
    calls = [["--help"], ["--version"], *([command, "--help"] for command in COMMANDS)]
    assert statuses(*calls) == ["status 0"] * len(calls)


def test_an_option_that_is_not_there_loads_no_heavy_library():
    calls = [[command, "--no-such-option"] for command in COMMANDS]
    assert statuses(*calls) == ["status 2"] * len(calls)


def test_data_and_settings_that_cannot_be_are_refused_before_a_heavy_library_is_loaded(tmp_path):
    out = ["-o", str(tmp_path / "out")]
    calls = [
        ["segment", str(tmp_path / "nowhere"), *out],
        ["segment", str(tmp_path), *out, "--set", "no setting"],
        ["train", str(tmp_path), *out, "--set", "roi_size=$print(1)"],
        ["evaluate", *out],
        ["ask", "http://127.0.0.1:9", str(tmp_path / "nowhere"), *out],
    ]
    assert statuses(*calls) == ["status 2"] * len(calls)


@pytest.mark.slow
def test_a_case_is_segmented_without_packages_that_only_others_need(
    phantom_folder, tiny_settings, tmp_path
):
    case = sorted(phantom_folder.iterdir())[0]
    unneeded = (*OPTIONAL, SHARDED_OPTIMIZERS, "scipy.stats", "sympy", "SimpleITK")
    plain = ["segment", str(case), "-o", str(tmp_path), *options(tiny_settings)]
    drawn = [*plain, "--preview"]
    found = statuses(plain, drawn, watched=unneeded)
    assert found == ["status 0", "status 0 matplotlib"]
    assert (tmp_path / case.name / f"{case.name}_preview.png").is_file()


@pytest.mark.slow
def test_what_monai_was_loaded_without_can_be_imported_afterwards():
    code = (
        "from bundle.cli.monai_loading import load_monai\n"
        "load_monai()\n"
        "import matplotlib.pyplot, scipy.signal, torch.distributed.optim as optim\n"
        "assert matplotlib.pyplot.figure and scipy.signal.hilbert\n"
        "import torch\n"
        "assert issubclass(optim.ZeroRedundancyOptimizer, torch.optim.Optimizer)\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
