import math
import re

import pytest
import torch

from bundle.inference.mixture_inferer import MixtureInferer
from bundle.inference.set_inferer import SetInferer
from bundle.mixture.mixers import StaticMixer
from bundle.mixture.mixture_losses import MoFeLoss
from bundle.mixture.modality_network import ModalityNetwork
from bundle.tasks.default import DEFAULT_TASK
from bundle.training.step_inferers import PairInferer
from bundle.volume_networks.region_loss import DiceBCELoss
from tests.mixture.networks import NETWORKS, SHAPE

MODALITIES, REGIONS = DEFAULT_TASK.modality_names, DEFAULT_TASK.region_names

M, R = len(MODALITIES), len(REGIONS)
KINDS = pytest.mark.parametrize("network", list(NETWORKS), indirect=True)
SETS = pytest.mark.parametrize(
    "flags",
    [
        pytest.param(flags, marks=() if number % 5 == 0 else pytest.mark.slow, id=str(flags))
        for number, flags in enumerate(DEFAULT_TASK.all_sets())
    ],
)
OTHERS = [pytest.param(name, marks=pytest.mark.slow) for name in NETWORKS if name != "logits"]
WINDOWS = {"roi_size": SHAPE, "overlap": 0.25, "mode": "gaussian"}


@pytest.fixture
def network(request) -> ModalityNetwork:
    return NETWORKS[request.param]()


def predict(network, image, presence) -> tuple[torch.Tensor, torch.Tensor]:
    with torch.inference_mode():
        return network.mix(network.encode(image, presence), image, presence)


@pytest.mark.parametrize("network", ["logits", *OTHERS], indirect=True)
@SETS
def test_every_set_has_a_prediction_and_weights_that_absent_channels_cannot_change(network, flags):
    presence, image = torch.tensor([flags]), torch.randn(1, M, *SHAPE)
    poisoned = torch.where(presence[:, :, None, None, None], image, math.nan)
    (logits, weights), dirty = (
        predict(network, image, presence),
        predict(network, poisoned, presence),
    )
    assert torch.equal(logits, dirty[0])
    assert torch.equal(weights, dirty[1])
    assert logits.shape == (1, R, *SHAPE)
    assert logits.dtype == weights.dtype == torch.float32
    assert logits.isfinite().all()
    assert weights.shape == (1, M, R)
    assert torch.allclose(weights.sum(dim=1), torch.ones(1, R))
    assert (weights[~presence] == 0).all()


@KINDS
def test_cases_of_a_batch_may_have_different_modalities(network):
    presence, image = (
        torch.tensor([[True, False, True, False], [False, True, True, True]]),
        torch.randn(2, M, *SHAPE),
    )
    with torch.inference_mode():
        together = network(image, presence)
        alone = torch.cat([network(image[i : i + 1], presence[i : i + 1]) for i in range(2)])
    assert torch.allclose(together, alone, atol=1e-4)


@KINDS
def test_no_modality_at_all_is_refused(network):
    with pytest.raises(ValueError, match="at least one modality"):
        network(torch.zeros(1, M, *SHAPE))


@KINDS
@pytest.mark.slow
def test_a_training_step_moves_all_weights_that_have_a_say(network):
    """The static mixer leaves the gate without a say; a bias before an instance norm never has one.

    The domain classifier of ShaSpec learns from a loss of its own.
    """
    before = {name: value.detach().clone() for name, value in network.named_parameters()}
    optimizer = torch.optim.SGD(network.parameters(), lr=1.0)
    more, fewer = (
        torch.tensor([[True] * 4] * 2),
        torch.tensor([[True, False, False, True], [False, True, True, False]]),
    )
    image, target = torch.randn(2, M, *SHAPE), (torch.rand(2, R, *SHAPE) < 0.3).float()
    MoFeLoss(DiceBCELoss())(PairInferer()(image, network, more, fewer), target).backward()
    optimizer.step()
    still = {name for name, value in network.named_parameters() if torch.equal(value, before[name])}
    averaged = isinstance(getattr(network, "mixer", None), StaticMixer)
    silent = {name for name in before if name.startswith("gate.") and averaged}
    silent |= {name for name in before if name.startswith("domain_classifier.")}
    assert {
        name
        for name in still ^ silent
        if not re.fullmatch(r"(gate|routers\.\w+)\.features.*bias", name)
    } == set()


@KINDS
def test_sliding_windows_give_logits_and_weight_maps(network):
    image, presence = torch.randn(1, M, 50, 40, 44), torch.tensor([[True, False, True, True]])
    with torch.inference_mode():
        output = MixtureInferer(**WINDOWS)(image, network, presence)
    weights = output["weights"]
    assert output["logits"].shape == (1, R, 50, 40, 44)
    assert torch.allclose(weights.sum(dim=1), torch.ones(1, R, 50, 40, 44), atol=1e-5)
    assert (weights[:, 1] == 0).all()


@KINDS
def test_several_sets_of_a_case_at_once_equal_each_of_them(network):
    image, sets = torch.randn(1, M, *SHAPE), DEFAULT_TASK.all_sets()[::5]
    with torch.inference_mode():
        many = SetInferer(sets, own_boxes=False, **WINDOWS)(
            image, network, torch.ones(1, M, dtype=torch.bool)
        )
        for index, flags in enumerate(sets):
            one = network(image, torch.tensor([flags]))
            assert torch.allclose(many["logits"][:, index], one, atol=1e-4)
