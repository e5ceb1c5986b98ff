import math

import pytest
import torch
from torch.nn.functional import conv3d

from bundle.mixture.mixture_losses import MoFeLoss
from bundle.peers.shared_specific import SharedSpecific
from bundle.peers.shaspec import ShaSpec
from bundle.peers.shaspec_training import ShaSpecInferer, ShaSpecLoss
from bundle.tasks.default import DEFAULT_TASK
from bundle.volume_networks.region_loss import DiceBCELoss
from tests.mixture.networks import SHAPE, shaspec

MODALITIES, REGIONS = DEFAULT_TASK.modality_names, DEFAULT_TASK.region_names

M = len(MODALITIES)


@pytest.fixture
def network() -> ShaSpec:
    return shaspec().eval()


@pytest.fixture
def image() -> torch.Tensor:
    return torch.randn(1, M, *SHAPE)


def features_of(shared: list[list[float]], specific: list[list[float]]) -> SharedSpecific:
    """One level of one voxel: (1, M, F)."""
    return SharedSpecific(
        *([torch.tensor(values)[None, :, :, None, None, None]] for values in (shared, specific))
    )


@torch.inference_mode()
def test_one_encoder_serves_all_modalities_and_each_has_one_of_its_own(network, image):
    same = image[:, :1].expand(-1, M, -1, -1, -1)
    features = network.encode(same, torch.ones(1, M, dtype=torch.bool))
    for level in features.shared:
        assert all(torch.equal(level[:, 0], level[:, m]) for m in range(M))
    for level in features.specific:
        assert not any(torch.equal(level[:, 0], level[:, m]) for m in range(1, M))


@torch.inference_mode()
def test_the_decoder_gets_projected_features_plus_the_shared_ones_and_their_mean_for_what_is_missing(
    network, image
):
    """The oracle is written for one case and set, level by level."""
    present = [True, False, True, False]
    features = network.encode(image, torch.tensor([present]))
    levels = []
    for r, s, projection, joint in zip(
        features.shared, features.specific, network.projections, network.joints, strict=True
    ):
        mean = (r[:, 0] + r[:, 2]) / 2
        fused = [
            conv3d(torch.cat([r[:, m], s[:, m]], 1), projection.weight) + r[:, m] for m in range(M)
        ]
        parts = [fused[m] if present[m] else mean for m in range(M)]
        levels.append(conv3d(torch.cat(parts, 1), joint.weight))
    logits, _ = network.mix(features, image, torch.tensor([present]))
    assert torch.allclose(logits, network.decoder(levels), atol=1e-5)


@torch.inference_mode()
def test_a_smaller_set_does_not_see_what_only_the_larger_one_has(network, image):
    fewer, more = torch.tensor([[False, True, False, True]]), torch.ones(1, M, dtype=torch.bool)
    of_more = network.mix(network.encode(image, more), image, fewer).logits
    assert torch.allclose(of_more, network(image, fewer), atol=1e-5)


@torch.no_grad()
def test_alignment_is_the_mean_distance_of_the_shared_features_of_present_pairs(network):
    """Between the three acquired modalities: 1, 3 and 2 on average; the absent one is far off and
    not counted.
    """
    n = network.domain_classifier.in_features
    features = features_of([[0.0] * n, [1.0] * n, [3.0] * n, [99.0] * n], [[0.0] * n] * M)
    alignment, _ = network.auxiliary_losses(features, torch.tensor([[True, True, True, False]]))
    assert float(alignment) == pytest.approx((1 + 3 + 2) / 3)


@torch.no_grad()
def test_one_modality_alone_has_nothing_to_be_aligned_with(network):
    n = network.domain_classifier.in_features
    features = features_of([[5.0] * n] * M, [[0.0] * n] * M)
    alignment, domain = network.auxiliary_losses(
        features, torch.tensor([[False, True, False, False]])
    )
    assert float(alignment) == 0
    assert float(domain) > 0


@torch.no_grad()
def test_domain_classification_is_right_when_specific_features_tell_the_modality(network):
    n = network.domain_classifier.in_features
    network.domain_classifier.weight.copy_(torch.eye(M, n) * 100)
    network.domain_classifier.bias.zero_()
    telling, lying = torch.eye(M, n).tolist(), torch.eye(M, n).roll(1, dims=0).tolist()
    present = torch.tensor([[True, True, False, True]])
    assert float(network.auxiliary_losses(features_of(telling, telling), present)[1]) < 1e-6
    assert float(network.auxiliary_losses(features_of(lying, lying), present)[1]) == pytest.approx(
        100
    )


def test_the_loss_adds_the_auxiliary_losses_with_their_weights_and_reports_every_part():
    logits, target = torch.randn(2, 1, len(REGIONS), 4, 5, 6), torch.ones(1, len(REGIONS), 4, 5, 6)
    task = MoFeLoss(DiceBCELoss(), weight=0.0)
    loss = ShaSpecLoss(task, alignment=0.1, domain=0.02)
    total = loss((logits[0], logits[1], torch.tensor(2.0), torch.tensor(3.0)), target)
    assert float(total) == pytest.approx(
        float(task((logits[0], logits[1]), target)) + 0.1 * 2 + 0.02 * 3
    )
    assert {key: float(loss.parts[key]) for key in ("alignment", "domain")} == {
        "alignment": 2.0,
        "domain": 3.0,
    }
    assert loss.parts.keys() == {"more", "fewer", "hinge", "alignment", "domain"}


@pytest.mark.slow
def test_a_training_step_moves_the_domain_classifier_and_lowers_the_auxiliary_losses(
    network, image
):
    optimizer = torch.optim.SGD(network.parameters(), lr=0.05)
    everything = torch.ones(1, M, dtype=torch.bool)
    before = network.domain_classifier.weight.detach().clone()
    found = []
    for _ in range(3):
        *_, alignment, domain = ShaSpecInferer()(image, network, everything, everything)
        loss = alignment + domain
        found.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert not torch.equal(network.domain_classifier.weight, before)
    assert math.isfinite(found[-1])
    assert found[-1] < found[0]


@torch.inference_mode()
def test_the_inferer_predicts_both_sets_as_the_network_does(network, image):
    more, fewer = (
        torch.tensor([[True, True, False, True]]),
        torch.tensor([[False, True, False, False]]),
    )
    pred = ShaSpecInferer()(image, network, more, fewer)
    assert torch.allclose(pred[0], network(image, more), atol=1e-5)
    assert torch.allclose(pred[1], network(image, fewer), atol=1e-5)


def test_its_weights_have_the_names_of_earlier_versions(network):
    parts = ["shared", "specific", "decoder", "projections", "joints", "domain_classifier"]
    names = list(network.state_dict())
    assert list(dict.fromkeys(name.split(".")[0] for name in names)) == parts
    assert f"specific.{MODALITIES[0]}.layers.0.conv1.conv.weight" in names
