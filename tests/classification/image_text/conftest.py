from pathlib import Path

import pytest

from bundle.classification.image_text.drawn_food import write_drawn_food


@pytest.fixture(scope="session")
def drawn_food(tmp_path_factory) -> Path:
    """A few drawn plates: 60 to train with, 24 to test; nobody may write there."""
    folder = tmp_path_factory.mktemp("food")
    write_drawn_food(folder, n_training=60, n_test=24, picture_size=16)
    return folder
