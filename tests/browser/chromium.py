"""Looks at a page in headless Chromium, by the driver that also looks at OHIF."""

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

DRIVER = Path(__file__).with_name("visit.mjs")
NEEDS_BROWSER = pytest.mark.skipif(
    not (shutil.which("chromium") and shutil.which("node")), reason="needs node and chromium"
)


@dataclass(frozen=True)
class Visit:
    """What came of the steps, exceptions, what the console said, and what was requested."""

    results: list[Any]
    errors: list[str]
    said: list[str]
    requests: list[str]
    left: list[str]


def visit(page: Path | str, *steps: dict[str, Any], limit_s: float = 400) -> Visit:
    """Open a page, a file or an address, and do the steps that ``visit.mjs`` knows."""
    url = page if isinstance(page, str) else page.as_uri()
    done = subprocess.run(
        ["node", "--experimental-websocket", "--no-warnings", str(DRIVER), url],
        input=json.dumps(steps), capture_output=True, text=True, timeout=limit_s, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return Visit(**json.loads(done.stdout))
