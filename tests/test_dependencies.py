import runpy
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[1]
SCRIPT = runpy.run_path(str(ROOT / ".ci" / "lowest_versions.py"))


def declared() -> list[str]:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    project: dict[str, Any] = tomllib.loads(text)["project"]
    extras = project["optional-dependencies"].values()
    return [*project["dependencies"], *(entry for extra in extras for entry in extra)]


@pytest.mark.parametrize("dependency", declared())
def test_the_pinned_version_is_within_the_declared_range(dependency):
    requirement = Requirement(dependency)
    pinned = SCRIPT["pinned_versions"]()[SCRIPT["normal"](requirement.name)]
    assert requirement.specifier.contains(pinned)


def test_each_lowest_version_that_is_tested_is_a_version_that_is_pinned_higher_or_alike():
    lowest, pinned = SCRIPT["lowest_versions"](), SCRIPT["pinned_versions"]()
    assert lowest.keys() <= pinned.keys()
    assert {"torch", "monai", "numpy", "simpleitk"} <= lowest.keys()
    assert all(Version(version) <= Version(pinned[name]) for name, version in lowest.items())
