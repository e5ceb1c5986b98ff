import json
import re
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.version import Version

import bundle

ROOT = Path(bundle.__file__).resolve().parents[1]


def citation() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))


def headings() -> list[str]:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    return re.findall(r"^## (.*)$", text, flags=re.MULTILINE)


def releases() -> list[tuple[Version, date]]:
    """Version and date as they follow each other in the changelog."""
    pairs = [heading.split(" - ") for heading in headings() if heading != "Unreleased"]
    return [(Version(version), date.fromisoformat(day)) for version, day in pairs]


def test_what_is_not_released_stands_first_and_the_newest_release_next():
    assert "Unreleased" not in headings()[1:]
    assert releases() == sorted(releases(), reverse=True)
    assert [day for _, day in releases()] == sorted((day for _, day in releases()), reverse=True)


def test_the_newest_release_is_the_version_of_the_package_and_of_the_citation():
    version, day = releases()[0]
    assert str(version) == bundle.__version__ == citation()["version"]
    assert day.isoformat() == citation()["date-released"]


@pytest.mark.parametrize("folder", [".", "avmnist"])
def test_every_metadata_has_the_version_of_the_package(folder):
    path = ROOT / "configs" / folder / "metadata.json"
    metadata = json.loads(path.read_text(encoding="utf-8"))
    assert metadata["version"] == bundle.__version__
    assert bundle.__version__ in metadata["changelog"]
