import pytest
import torch
from torch import nn

from bundle.mixture.mixers import LogitMixer
from bundle.peers.momke import MoMKE
from bundle.tasks.default import DEFAULT_TASK
from bundle.volume_networks.experts import feature_expert
from bundle.weights.checkpoints import initial_weights
from tests.mixture.networks import SHAPE, mixture, momke, unet_options

MODALITIES = DEFAULT_TASK.modality_names

EVERYTHING = torch.ones(1, len(MODALITIES), dtype=torch.bool)


class Times(nn.Module):
    """An expert whose features are the image times a number."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return image * self.factor


class Scores(nn.Module):
    """A router that always gives the same scores."""

    def __init__(self, *scores: float) -> None:
        super().__init__()
        self.scores = torch.tensor(scores)[None, None]

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.scores.expand(len(image), -1, -1)


def by_hand(head: nn.Module) -> MoMKE:
    experts = {"t1n": Times(1.0), "t1c": Times(10.0)}
    return MoMKE(
        experts,
        {"t1n": Scores(0.0, 0.0), "t1c": Scores(0.0, float(torch.log(torch.tensor(3.0))))},
        head,
    )


def test_every_modality_goes_through_all_experts_and_its_own_router_weighs_them():
    """t1n trusts both experts alike, (1 + 10) / 2; t1c the second three times as much, (1 + 3 x 10)
    / 4.
    """
    image = torch.tensor([2.0, 4.0]).reshape(1, 2, 1, 1, 1)
    joint = by_hand(nn.Identity()).encode(image, torch.tensor([[True, True]]))
    assert joint.shape == (1, 2, 1, 1, 1, 1)
    assert joint.flatten().tolist() == pytest.approx([2 * 5.5, 4 * 7.75])


def test_the_head_gets_the_features_of_all_modalities_side_by_side_with_zeros_for_absent_ones():
    image = torch.tensor([2.0, 4.0]).reshape(1, 2, 1, 1, 1)
    network = by_hand(nn.Identity())
    both = network.encode(image, torch.tensor([[True, True]]))
    logits, weights = network.mix(both, image, torch.tensor([[False, True]]))
    assert logits.flatten().tolist() == pytest.approx([0.0, 4 * 7.75])
    assert weights.tolist() == [[[0.0, 0.0], [1.0, 1.0]]]


def test_an_expert_has_a_say_although_its_own_modality_is_missing():
    network, image = momke().eval(), torch.randn(1, len(MODALITIES), *SHAPE)
    alone = torch.tensor([[True, False, False, False]])
    with torch.inference_mode():
        before = network(image, alone)
        for value in network.experts["t2f"].parameters():
            value.mul_(2.0)
        assert not torch.equal(network(image, alone), before)


def test_it_starts_from_the_experts_of_stage_1_without_their_output_layers(tmp_path):
    trained, network = mixture(LogitMixer()), momke(lambda: feature_expert(**unet_options()))
    experts = {f"experts.{name}": value for name, value in trained.experts.state_dict().items()}
    torch.save(experts, tmp_path / "experts.pt")
    initial_weights(network, tmp_path / "experts.pt")
    theirs, ours = trained.experts.state_dict(), network.experts.state_dict()
    assert all(torch.equal(value, theirs[name]) for name, value in ours.items())
    assert theirs.keys() - ours.keys() == {name for name in theirs if ".output_block." in name}


def test_routers_of_other_modalities_are_refused():
    with pytest.raises(ValueError, match="routers must be for t1n, t1c; got t1c, t1n"):
        MoMKE(
            {"t1n": Times(1), "t1c": Times(1)},
            {"t1c": Scores(0.0), "t1n": Scores(0.0)},
            nn.Identity(),
        )


def test_without_stems_its_weights_have_the_names_of_earlier_versions():
    names = dict.fromkeys(name.split(".")[0] for name in momke().state_dict())
    assert list(names) == ["experts", "routers", "head"]
