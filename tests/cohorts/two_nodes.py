"""Two machines of a Ray cluster on one host, in a network that nothing else can see.

    unshare --net --pid --mount --fork --mount-proc --kill-child \
        python -m tests.cohorts.two_nodes FOLDER killed|unshared

Segments the cases of FOLDER/data with the settings of FOLDER/settings.json into FOLDER/out, and
prints ``[[case, status, node], ...]`` as JSON. ``killed``: all processes of the second node get
SIGKILL as soon as it has finished a case. ``unshared``: the second node has another folder at the
path of the results.
"""

import json
import os
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import psutil

from bundle.cohorts.ray_cluster import joined
from bundle.cohorts.ray_engine import RayEngine
from bundle.cohorts.runner import CaseRunner
from bundle.cohorts.workers import ConfigRun
from bundle.datasets.listing import list_cases
from tests.cohorts.ray_stand_ins import NODE, Noted
from tests.pacs.orthanc import loopback_up

ADDRESS = "127.0.0.1:6379"
NAMESPACES = ("unshare", "--net", "--pid", "--mount", "--fork", "--mount-proc", "--kill-child")
RAY = [sys.executable, "-c", "from ray.scripts.scripts import main; main()", "start"]
COMMON = ("--num-cpus=1", "--node-ip-address=127.0.0.1", "--object-store-memory=100000000",
          "--disable-usage-stats")  # fmt: skip
HEAD = ("--head", "--port=6379", "--include-dashboard=false")
PATIENCE_S = 90.0


def can_run() -> bool:
    return subprocess.run([*NAMESPACES, "true"], capture_output=True).returncode == 0


def run_in_namespace(folder: Path, what: str) -> tuple[list[list[str]], str]:
    """Run this module; from any process that may make namespaces."""
    done = subprocess.run(
        [*NAMESPACES, sys.executable, "-m", "tests.cohorts.two_nodes", str(folder), what],
        capture_output=True, text=True, timeout=400, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout.splitlines()[-1]), done.stderr


def main() -> None:
    folder, what = Path(sys.argv[1]), sys.argv[2]
    loopback_up()
    os.environ |= {
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": "of the test, of no other use" * 2,
        "RAY_health_check_period_ms": "500",
        "RAY_health_check_failure_threshold": "3",
    }
    subprocess.run([*RAY, *COMMON, *HEAD], env={**os.environ, NODE: "first"}, stdout=2, check=True)
    with joined(ADDRESS, None) as ray:
        prefix = ()
        if what == "unshared":
            hide = f'mount -t tmpfs none {folder / "out"} && exec "$@"'
            prefix = ("unshare", "--mount", "sh", "-c", hide, "sh")
        second = subprocess.Popen(
            [*prefix, *RAY, *COMMON, "--block", f"--address={ADDRESS}"],
            env={**os.environ, NODE: "second"},
            stdout=2,
        )
        await_nodes(ray, 2)
        outcomes = run(folder, partial(kill, second) if what == "killed" else None)
    found = [[o.case_id, o.status, " ".join(o.warnings)] for o in outcomes]
    sys.stdout.write("\n" + json.dumps(found) + "\n")
    sys.stdout.flush()
    os._exit(0)  # its children go with the namespace


def run(folder: Path, end_second) -> list:
    settings = json.loads((folder / "settings.json").read_text())
    values = {**settings, "checkpoint": Path(settings["checkpoint"]), "output_dir": folder / "out"}
    engine = RayEngine(folder / "out", address=ADDRESS, device_name="cpu")

    def report(outcome) -> None:
        sys.stderr.write(f"{outcome}\n")
        if end_second is not None and outcome.warnings == ["second"]:
            end_second()

    return CaseRunner(
        Noted(ConfigRun("inference.yaml", values), 1.0),
        list_cases(folder / "data"),
        folder / "out",
        engine=engine,
        report=report,
    ).run()


def await_nodes(ray, number: int) -> None:
    end = time.monotonic() + PATIENCE_S
    while sum(node["Alive"] for node in ray.nodes()) < number:
        assert time.monotonic() < end, "a node did not come up"
        time.sleep(0.5)


def kill(node: subprocess.Popen) -> None:
    """End a machine as a power failure does: all of it at once."""
    if node.poll() is None:
        top = psutil.Process(node.pid)
        for process in (*top.children(recursive=True), top):
            process.kill()
        node.wait(30)


if __name__ == "__main__":
    main()
