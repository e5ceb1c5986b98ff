"""What judging all sets costs is measured by a command that runs."""

import json
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
def test_the_command_judges_and_segments_a_small_case_and_says_what_both_took():
    script = Path(__file__).with_name("evaluate_sets.py")
    command = [sys.executable, str(script), "--shape", "64", "72", "56"]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    told = json.loads(run.stdout.splitlines()[-1])
    assert told["time_ratio"] > 0
    assert told["peak_gb"] > 0.1
