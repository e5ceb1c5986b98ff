"""Prints pip constraints: every dependency of pyproject.toml at the lowest version declared there,
and what these need at the version of constraints.txt.

    python .ci/lowest_versions.py [VERSION_OF_TORCH]
"""

import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LAST_WITH_NUMPY_1 = {"pyjpegls": "1.4.0"}  # of highdicom; later ones need NumPy 2


def normal(name: str) -> str:
    """Return the one spelling of a package's name that pip compares."""
    return re.sub(r"[-_.]+", "-", name).lower()


def lowest_versions() -> dict[str, str]:
    """Return name to version.

    Raises:
        ValueError: a dependency has another form than ``name>=version``.
    """
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    pairs = [entry.split(">=") for entry in tomllib.loads(text)["project"]["dependencies"]]
    return {normal(name): version for name, version in pairs}


def pinned_versions() -> dict[str, str]:
    """Return name to version of constraints.txt."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return {normal(name): version for name, version in (line.split("==") for line in lines)}


if __name__ == "__main__":
    versions = {**pinned_versions(), **LAST_WITH_NUMPY_1, **lowest_versions()}
    if sys.argv[1:]:
        versions["torch"] = sys.argv[1]
    sys.stdout.writelines(f"{name}=={version}\n" for name, version in versions.items())
