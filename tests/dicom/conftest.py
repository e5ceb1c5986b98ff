from pathlib import Path

import pytest

from bundle.phantoms.dicom_study import write_studies
from tests.dicom.studies import copied

SMALL = (32, 37, 34)


@pytest.fixture(scope="session")
def drawn(tmp_path_factory) -> Path:
    """One drawn study and its truth; copy the study before changing it."""
    folder = tmp_path_factory.mktemp("drawn")
    write_studies(folder, n_cases=1, seed=3, shape=SMALL)
    return folder


@pytest.fixture(scope="session")
def whole(drawn) -> Path:
    return drawn / "phantom-00001-000"


@pytest.fixture
def study(whole, tmp_path) -> Path:
    """A copy that a test may spoil."""
    return copied(whole, tmp_path)
