from pathlib import Path

import numpy as np
import pytest
import torch

from bundle.classification.image_text.food101 import read_food101
from bundle.classification.image_text.ngrams import HashedNgrams
from bundle.classification.image_text.pictures import scaled
from bundle.classification.image_text.title_tables import read_titles, table_of
from tests.benchmarks.emoji_folder import emoji_cases, write_emoji

EMOJI = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "emoji" / "emoji.npz"
pytestmark = pytest.mark.skipif(not EMOJI.is_file(), reason="needs emoji.npz in ../shared/data")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    place = tmp_path_factory.mktemp("emoji")
    write_emoji(EMOJI, place)
    return place


@pytest.mark.parametrize(("part", "n_cases"), [("training", 1334), ("test", 572)])
def test_every_picture_title_and_class_comes_back_as_it_was(folder, part, n_cases):
    written = list(emoji_cases(EMOJI, part))
    cases = read_food101(folder, part, image_size=32)
    assert len(cases) == len(written) == n_cases
    assert [one.title for one in read_titles(table_of(folder, part))] == [
        one.title for one in written
    ]
    assert [cases.classes[label] for label in cases.labels] == [one.class_name for one in written]
    assert cases.presence.all()
    read, numbers = cases.read(range(n_cases)), HashedNgrams()
    for place, one in enumerate(written):
        pixels = np.ascontiguousarray(one.pixels.transpose(2, 0, 1))
        assert read["image"][place].equal(scaled(torch.from_numpy(pixels)))
        assert read["text"][place].equal(numbers(one.title))
