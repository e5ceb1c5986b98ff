"""Results that several modules of tests look at."""

import pytest

from tests.outputs.report.drawn_results import drawn_images


@pytest.fixture(scope="session")
def files(tmp_path_factory):
    """Images of a phantom of 48 x 56 x 40 voxels, and its label."""
    return drawn_images(tmp_path_factory.mktemp("images"))
