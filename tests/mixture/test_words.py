"""The mixture is about any inputs: no module of it says what they are."""

import re
from pathlib import Path

import pytest

import bundle

FILES = sorted((Path(bundle.__file__).parent / "mixture").rglob("*.py"))
KINDS = re.compile(
    r"(?<![a-z0-9])(images?|pictures?|audio|sounds?|texts?|voxels?|volumes?|volumetric|windows?"
    r"|crops?|pixels?|[23]d|dynunets?|u-?nets?)(?![a-z0-9])",
    re.IGNORECASE,
)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_module_of_the_mixture_names_no_kind_of_input(path):
    assert KINDS.findall(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "source",
    [
        '"""Averages images."""',
        "def forward(self, image): ...",
        "x = nn.Conv3d(1, 1, 3)  # of voxels",
        "from monai.networks.nets import DynUNet",
        "n_voxels = 3",
        "'a 3D CNN'",
        "'U-Nets'",
    ],
)
def test_a_kind_of_input_is_seen_in_docstrings_names_and_comments(source):
    assert len(KINDS.findall(source)) == 1


@pytest.mark.parametrize("source", ["imaginary", "croplands", "sounded", "context", "inputs"])
def test_a_word_that_only_holds_another_is_let_alone(source):
    assert KINDS.findall(source) == []
