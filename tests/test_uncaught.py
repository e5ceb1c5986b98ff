"""A run by MONAI's command line ends as one of this program's does."""

import subprocess
import sys

import pytest

from bundle.config_files import bundle_root
from bundle.uncaught import end_with_a_sentence

SCRIPT = """
from bundle.errors import CaseError, OutputError, SetupError, UsageError
from bundle.uncaught import end_with_a_sentence
end_with_a_sentence()
try:
    raise {error}
except Exception as error:
    raise RuntimeError("Failed to instantiate component") from error
"""


def ended(script: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        cwd=bundle_root(),
        check=False,
    )


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (
            "SetupError('E_SETTING', 'overlap must be less.')",
            78,
            "E_SETTING: overlap must be less.\n",
        ),
        ("UsageError('E_FOLDER', 'two\\nlines')", 2, "E_FOLDER: two\nlines\n"),
        ("OutputError('E_WRITE', '\\x1b[2J\\ud800')", 74, "E_WRITE: \\x1b[2J\\ud800\n"),
    ],
)
def test_what_a_user_can_mend_is_a_sentence_with_its_exit_status(error, status, said):
    process = ended(SCRIPT.format(error=error))
    assert (process.returncode, process.stderr) == (status, said)


def test_other_errors_keep_their_traceback():
    process = ended(SCRIPT.format(error="ValueError('odd')"))
    assert process.returncode == 1
    assert process.stderr.count("Traceback") == 2


def test_an_interrupt_ends_without_a_word():
    process = ended(SCRIPT.partition("try:")[0] + "raise KeyboardInterrupt")
    assert (process.returncode, process.stderr) == (130, "")


def test_a_program_with_its_own_way_to_end_keeps_it(monkeypatch):
    monkeypatch.setattr(sys, "excepthook", print)
    end_with_a_sentence()
    assert sys.excepthook is print
