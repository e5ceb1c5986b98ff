"""Fixtures that several test modules use."""

from pathlib import Path

import pytest
import torch
from torch import nn

from bundle.configuration import load_config
from bundle.mixture.dmome import DMoME
from bundle.mixture.mixers import LogitMixer
from bundle.phantoms.phantom_cases import write_phantoms
from bundle.tasks.default import DEFAULT_TASK
from bundle.volume_networks.gate import GateCNN
from bundle.weights.checkpoints import export_weights

MODALITIES = DEFAULT_TASK.modality_names
REGIONS = DEFAULT_TASK.region_names

TINY_EXPERT = {
    "_target_": "torch.nn.Conv3d",
    "in_channels": 1,
    "out_channels": 3,
    "kernel_size": 3,
    "padding": 1,
}
SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


@pytest.fixture(autouse=True, scope="session")
def own_cache(tmp_path_factory):
    """Keep what tests convert out of the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SIMMLM_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture
def tiny_network() -> DMoME:
    """A mixture with one-layer experts and the real gate: fast, and every part of it matters."""
    experts = {
        modality: nn.Conv3d(1, len(REGIONS), kernel_size=3, padding=1) for modality in MODALITIES
    }
    return DMoME(experts, GateCNN(len(MODALITIES), len(REGIONS)), LogitMixer()).eval()


@pytest.fixture(scope="session")
def tiny_settings(tmp_path_factory) -> dict:
    """Settings that run the whole path of ``inference.yaml`` with one-layer experts and weights
    that fit them.
    """
    folder = tmp_path_factory.mktemp("weights")
    settings = {
        "expert": TINY_EXPERT,
        "roi_size": [64, 64, 64],
        "overlap": 0.25,
        "device_name": "cpu",
    }
    torch.manual_seed(1)
    network = load_config("inference.yaml", settings).get_parsed_content("network_def")
    torch.save(network.state_dict(), folder / "tiny.pt")
    export_weights(network, folder / "tiny.pt", folder / "model.pt")
    return {**settings, "checkpoint": folder / "model.pt"}


@pytest.fixture
def task_file(tmp_path) -> Path:
    """The declaration of a task with three modalities and one region."""
    (tmp_path / "lesions.yaml").write_text(
        """\
name: lesions
title: Lesions
finding: lesion
modalities: {flair: {title: FLAIR}, t1: {title: T1}, t2: {title: T2}}
labels: {1: {name: lesion, colour: "#ff0000"}}
regions: {lesion: {title: lesion, labels: [1], colour: "#ff0000"}}
numberings: {binary: {values: {1: 1}}}
"""
    )
    return tmp_path / "lesions.yaml"


@pytest.fixture(scope="session")
def phantom_folder(tmp_path_factory) -> Path:
    """Two labelled cases of 48 x 56 x 40 voxels; copy a case before changing it."""
    folder = tmp_path_factory.mktemp("phantoms")
    write_phantoms(folder, n_cases=2, seed=11, shape=(48, 56, 40))
    return folder


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real cases, which a fresh clone does not have."""
    if not (SHARED / "data").is_dir():
        pytest.skip("the real cases in ../shared/data are not here")
    return SHARED / "data"
