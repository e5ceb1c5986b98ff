"""A batch that is killed and run again ends as if nobody had killed it."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cohorts.test_runner import write_cases
from tests.test_bad_input import options

ROOT = Path(__file__).parents[2]
SETTINGS = {"slicer": True, "bids": True}


@pytest.mark.slow
def test_whenever_a_batch_of_six_is_killed_the_same_command_ends_it_byte_for_byte(
    tiny_settings, tmp_path
):
    write_cases(tmp_path / "data", "abcdef")
    settings = {**tiny_settings, **SETTINGS, "checkpoint": str(tiny_settings["checkpoint"])}
    arguments = [str(tmp_path / "data"), str(tmp_path), "20", json.dumps(settings)]
    done = subprocess.run(
        [sys.executable, "-m", "tests.cohorts.kill_runs", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    kills = found["kills"]
    assert sum(kill["killed"] for kill in kills) >= 10, "most kills must come in time"
    assert any(kill["left"] for kill in kills), "some kills must leave something"
    assert len({kill["done"] for kill in kills}) >= 4, "they must come at all stages"
    assert [kill for kill in kills if kill["lies"]] == []
    assert [kill for kill in kills if kill["differ"] or not kill["ran_again"]] == []
    assert [kill["stray"] for kill in kills if kill["stray"]] == []


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_the_command_with_its_status_and_the_next_run_ends_the_batch(
    tiny_settings, tmp_path, number, code
):
    write_cases(tmp_path / "data", "abcdef")
    out = tmp_path / "out"
    command = [
        sys.executable,
        "-m",
        "bundle.cli",
        "segment",
        str(tmp_path / "data"),
        "-o",
        str(out),
    ]
    command += options(tiny_settings)
    process = subprocess.Popen(
        command, cwd=ROOT, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    while not list(out.glob("*/*.json")):
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.01)
    process.send_signal(number)
    _, said = process.communicate()
    assert process.returncode == code, said
    assert "the same command goes on" in said
    table = (out / "cases.csv").read_text().splitlines()
    assert len(table) == 7
    assert "left" in table[-1]
    assert not list(out.rglob(".*"))
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "done before" in done.stdout
    assert json.loads((out / "run.json").read_text())["state"] == "finished"
