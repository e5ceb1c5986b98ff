"""Lets processes take turns, so that what else the machine does weighs on all alike."""

import json
import subprocess
from collections.abc import Mapping
from typing import Any


def take_turns(
    processes: Mapping[str, subprocess.Popen], runs: int
) -> dict[str, list[dict[str, Any]]]:
    """Ask each process for a run, one after the other, and then for the next.

    Args:
        processes: which for every line of standard input print a line of JSON with what they took.
        runs: of each, after one that is not counted.

    Returns:
        What each took in the runs that count.
    """
    measured: dict[str, list[dict[str, Any]]] = {name: [] for name in processes}
    for run in range(runs + 1):
        for name, process in processes.items():
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write("run\n")
            process.stdin.flush()
            figures = next(line for line in process.stdout if line.startswith("{"))
            measured[name].append(json.loads(figures))
            print(f"{name}{'' if run else ' (not counted)'}: {figures.strip()}", flush=True)
    for process in processes.values():
        process.communicate()
    return {name: figures[1:] for name, figures in measured.items()}
