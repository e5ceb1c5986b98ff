import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from bundle.errors import SetupError
from bundle.inference.contributions import decided_by, mean_shares, shares_of_voxels
from bundle.inference.maps import SplitMapsd
from bundle.inference.mixture_inferer import MixtureInferer
from bundle.mixture.mixers import (
    LogitMixer,
    ProbabilityMixer,
    StaticMixer,
    SumMixer,
    adds_logits,
)
from bundle.tasks.contributions import Contributions
from bundle.tasks.default import DEFAULT_TASK
from bundle.volume_networks.image_mixture import ImageMixture

MODALITIES = DEFAULT_TASK.modality_names
M, R = 4, 3
SHAPE = (12, 10, 14)
WINDOWS = {"roi_size": SHAPE, "overlap": 0.25, "mode": "gaussian"}
LESION = (slice(3, 7), slice(2, 6), slice(4, 9))


class Threshold(nn.Module):
    """An expert that takes what is brighter than 1 for a lesion, the more so the brighter."""

    def __init__(self, steepness: float = 5.0) -> None:
        super().__init__()
        self.conv = nn.Conv3d(1, R, 1)
        nn.init.constant_(self.conv.weight, steepness)
        nn.init.constant_(self.conv.bias, -steepness)

    def forward(self, values):
        return self.conv(values)


class Even(nn.Module):
    """A gate that trusts all alike."""

    def forward(self, image):
        return image.new_zeros(len(image), M, R)


def network(mixer=None, experts=None):
    parts = experts or {name: Threshold() for name in MODALITIES}
    return ImageMixture(parts, Even(), mixer or LogitMixer()).eval()


def parts_of(image, presence, one):
    with torch.inference_mode():
        return MixtureInferer(**WINDOWS, contributions=True)(image, one, presence)


@given(st.integers(0, 999), st.sampled_from(list(Contributions)[1:]))
@settings(max_examples=40, deadline=None)
def test_shares_sum_to_one_whoever_says_what(seed, kind):
    generator = torch.Generator().manual_seed(seed)
    parts = torch.randn(M, R, 5, 4, generator=generator)
    parts[torch.rand(M, generator=generator) < 0.4] = 0
    shares = shares_of_voxels(parts, kind)
    n_maps = 1 if kind == Contributions.shares else R
    total = shares.reshape(M, n_maps, 5, 4).abs().sum(0)
    assert torch.allclose(total, torch.full_like(total, float(parts.any())), atol=1e-5)
    if kind == Contributions.signed:
        assert torch.equal(shares.sign(), parts.flatten(0, 1).sign())


def test_an_expert_that_says_nothing_has_no_share_and_decides_nothing():
    parts = torch.randn(M, R, 6, 6)
    parts[2] = 0
    for kind in list(Contributions)[1:]:
        assert (shares_of_voxels(parts, kind).reshape(M, -1)[2] == 0).all()
    assert (decided_by(parts, torch.ones(6, 6)) != 3).all()


@pytest.mark.parametrize("mixer", [LogitMixer(), StaticMixer(), SumMixer(LogitMixer())])
@pytest.mark.parametrize("flags", [[True, True, True, True], [True, False, True, False]])
def test_what_the_modalities_add_sums_to_the_logits(tiny_network, mixer, flags):
    one = ImageMixture(tiny_network.experts, tiny_network.gate, mixer).eval()
    image, presence = torch.randn(1, M, 70, 40, 50), torch.tensor([flags])
    with torch.inference_mode():
        said = MixtureInferer((64, 64, 64), overlap=0.25, mode="gaussian", contributions=True)(
            image, one, presence
        )
    assert torch.allclose(said["parts"].sum(1), said["logits"], atol=1e-4)
    absent = ~torch.tensor(flags)
    assert (said["parts"][0, absent] == 0).all()
    assert (said["parts"][0, ~absent] != 0).any(dim=-1).all()


def test_without_contributions_there_are_no_parts(tiny_network):
    with torch.inference_mode():
        said = MixtureInferer((64, 64, 64))(torch.randn(1, M, 20, 20, 20), tiny_network)
    assert "parts" not in said


@pytest.mark.parametrize("modality", range(M))
def test_a_lesion_that_one_modality_shows_is_decided_by_it(modality):
    """Of all its voxels, and of none elsewhere: the others say that nothing is there."""
    image = torch.full((1, M, *SHAPE), 0.9)
    image[(0, modality, *LESION)] = 3.0
    said = parts_of(image, torch.ones(1, M, dtype=torch.bool), network())
    found = said["logits"][0, 0] > 0
    expected = torch.zeros(SHAPE, dtype=torch.bool)
    expected[LESION] = True
    assert torch.equal(found, expected)
    first = decided_by(said["parts"][0], found.to(torch.uint8))
    assert torch.equal(first, torch.where(found, modality + 1, 0).to(torch.uint8))
    shares = shares_of_voxels(said["parts"][0], Contributions.shares)
    assert (shares[modality][found] > 0.8).all()
    means = mean_shares(said["parts"][0], DEFAULT_TASK)
    assert max(means["WT"], key=means["WT"].get) == MODALITIES[modality]


def test_a_region_in_which_nothing_is_has_no_mean_share():
    image = torch.full((1, M, *SHAPE), 0.5)
    said = parts_of(image, torch.ones(1, M, dtype=torch.bool), network())
    assert mean_shares(said["parts"][0], DEFAULT_TASK) == dict.fromkeys(DEFAULT_TASK.region_names)


def test_a_mixer_that_adds_up_no_logits_is_refused_with_the_way_out():
    assert not adds_logits(ProbabilityMixer())
    assert not adds_logits(SumMixer(ProbabilityMixer()))
    for mixer in (ProbabilityMixer(), SumMixer(ProbabilityMixer())):
        with pytest.raises(SetupError, match=r"contributions must be none .* got a \w+Mixer"):
            parts_of(torch.ones(1, M, *SHAPE), None, network(mixer))


def test_a_word_that_is_no_choice_is_refused_with_the_choices():
    with pytest.raises(SetupError, match="shares, per_region, signed; got 'share'") as caught:
        SplitMapsd(contributions="share")
    assert caught.value.code == "E_SETTING"


def test_who_decided_is_told_where_the_parts_are():
    parts = torch.zeros(2, 3, 4, 4, 4, device="meta")
    assert decided_by(parts, torch.zeros(4, 4, 4)).device.type == "meta"
