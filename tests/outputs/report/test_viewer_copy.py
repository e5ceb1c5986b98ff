"""The viewer in the package is the one that npm has."""

import re
import tomllib
from pathlib import Path

from bundle.files.hashes import sha256_of_file
from bundle.outputs.report.page import NIIVUE, viewer_script

ROOT = Path(__file__).resolve().parents[3]
README = (NIIVUE.parent / "README.md").read_text(encoding="utf-8")


def test_the_viewer_is_the_file_that_its_readme_names():
    assert re.findall(r"SHA-256 of the file \| `([0-9a-f]{64})`", README) == [
        sha256_of_file(NIIVUE)
    ]
    assert re.search(r"version \| \d+\.\d+\.\d+ ", README)
    assert re.search(r"`sha512-[A-Za-z0-9+/]{86}==`", README)


def test_its_licence_and_those_of_what_it_holds_lie_beside_it():
    text = (NIIVUE.parent / "LICENSE.txt").read_text(encoding="utf-8")
    names = ["Niivue", "fflate", "gl-matrix", "nifti-reader-js", "zarrita", "numcodecs"]
    assert all(name in text for name in names)
    assert text.count("Copyright (c)") >= len(names)


def test_it_is_installed_with_the_package_and_stands_in_a_page_as_it_is():
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    data = tomllib.loads(text)["tool"]["setuptools"]["package-data"]
    assert data == {"bundle.outputs.report": ["niivue/*", "templates/*"]}
    assert "</script" not in viewer_script().lower()
    assert "<!--" not in viewer_script()
