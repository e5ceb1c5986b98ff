import pytest
import torch
from torch import nn

from bundle.errors import CaseError
from bundle.inference import window_memory
from bundle.inference.mixture_inferer import MixtureInferer
from bundle.inference.window_memory import check_window

WINDOW = (100, 100, 100)
NETWORK = nn.Sequential(nn.Conv3d(1, 8, 3), nn.Conv3d(8, 16, 3))


def with_free(monkeypatch, n_bytes):
    monkeypatch.setattr(window_memory, "available_bytes", lambda: n_bytes)


def test_a_window_that_does_not_fit_is_refused_with_both_numbers_and_a_smaller_one(monkeypatch):
    with_free(monkeypatch, 100_000_000)
    with pytest.raises(
        CaseError, match=r"100 x 100 x 100 .* 0\.2 GB .* got 0\.1 GB.*roi_size="
    ) as e:
        check_window(WINDOW, NETWORK, in_bfloat16=False)
    assert e.value.code == "E_MEMORY"


@pytest.mark.parametrize(
    ("free", "in_bfloat16"), [(160_000_000, False), (110_000_000, True), (None, False)]
)
def test_one_that_may_fit_is_not(monkeypatch, free, in_bfloat16):
    with_free(monkeypatch, free)
    check_window(WINDOW, NETWORK, in_bfloat16=in_bfloat16)


def test_a_network_that_does_not_show_its_layers_is_not_judged(monkeypatch):
    with_free(monkeypatch, 1)
    check_window(WINDOW, nn.Linear(1, 1), in_bfloat16=False)


def test_a_case_is_refused_before_an_expert_runs(monkeypatch, tiny_network):
    with_free(monkeypatch, 1000)
    monkeypatch.setattr(tiny_network, "encode", None)
    with pytest.raises(CaseError, match="To see 64 x 64 x 64 voxels at once"):
        MixtureInferer((64, 64, 64))(torch.ones(1, 4, 20, 20, 20), tiny_network)
