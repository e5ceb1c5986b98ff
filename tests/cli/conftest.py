import shutil
from pathlib import Path

import pytest


@pytest.fixture
def weights(tiny_settings, tmp_path) -> Path:
    """Weights in a folder of their own, so that something can be put beside them."""
    for ending in ("", ".sha256"):
        shutil.copy(f"{tiny_settings['checkpoint']}{ending}", f"{tmp_path / 'model.pt'}{ending}")
    return tmp_path / "model.pt"
