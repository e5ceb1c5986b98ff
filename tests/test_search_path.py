"""The file that configs run by its path before anything can be imported."""

import runpy
import shutil
import sys
from pathlib import Path

from bundle import search_path

FILE = Path(search_path.__file__)


def test_the_folder_of_the_bundle_comes_onto_the_path_before_installed_packages(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(sys, "path", ["first", "last"])
    (tmp_path / "copy" / "bundle").mkdir(parents=True)
    copy = shutil.copy(FILE, tmp_path / "copy" / "bundle")
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(copy))
    runpy.run_path("./copy/bundle/search_path.py")
    assert sys.path == ["first", str(tmp_path / "copy"), "last"]


def test_it_needs_nothing_of_the_bundle():
    assert "bundle" not in FILE.read_text(encoding="utf-8").partition('"""\n\n')[2]
