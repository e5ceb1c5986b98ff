"""The mixture of anything: class scores, pictures, volumes; one tensor or a mapping of modalities."""

import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from bundle.mixture.dmome import DMoME
from bundle.mixture.inputs import of_each_modality, presence_in, show_present
from bundle.mixture.mixers import FeatureMixer, LogitMixer, ProbabilityMixer, StaticMixer
from bundle.mixture.mixing import derive_presence, hide_absent, weighted_sum
from bundle.mixture.mixture import Mixture
from bundle.mixture.mixture_losses import ExpertsLoss, MoFeLoss
from bundle.peers.early_fusion import EarlyFusion
from bundle.peers.momke import MoMKE
from bundle.training.step_inferers import ExpertsInferer, PairInferer, PrepareBatchFlags
from bundle.volume_networks.region_loss import DiceBCELoss

B, M, R = 3, 2, 4
TRAILING = pytest.mark.parametrize("trailing", [(), (5,), (5, 6), (5, 6, 7)], ids=str)
SETS = torch.tensor([[True, True], [True, False], [False, True]])
NAMES = ("picture", "sound")


class ClassGate(nn.Module):
    """Scores of a picture and a sound: (B, M, R)."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(8 * 9 + 5 * 3, M * R)

    def forward(self, image: dict[str, Tensor]) -> Tensor:
        parts = [image["picture"].flatten(1), image["sound"].flatten(1)]
        return self.linear(torch.cat(parts, dim=1)).reshape(-1, M, R)


def classifier(mixer: nn.Module | None = None) -> DMoME:
    """Classes from a picture (B, 1, 8, 9) and a sound (B, 5, 3), an expert of one layer each."""
    experts = {
        "picture": nn.Sequential(nn.Flatten(), nn.Linear(8 * 9, R)),
        "sound": nn.Sequential(nn.Flatten(), nn.Linear(5 * 3, R)),
    }
    return DMoME(experts, ClassGate(), mixer or LogitMixer())


def pictures_and_sounds() -> dict[str, Tensor]:
    return {"picture": torch.randn(B, 1, 8, 9), "sound": torch.randn(B, 5, 3)}


def poisoned(image: dict[str, Tensor], presence: Tensor) -> dict[str, Tensor]:
    """The same with NaN in everything that is absent."""
    dirty = {name: values.clone() for name, values in image.items()}
    for m, name in enumerate(NAMES):
        dirty[name][~presence[:, m]] = math.nan
    return dirty


def class_loss(logits: Tensor, target: Tensor) -> Tensor:
    """Cross-entropy of exclusive classes, one value per case."""
    return cross_entropy(logits.float(), target.long(), reduction="none")


def summed_by_hand(maps: Tensor, weights: Tensor, presence: Tensor) -> Tensor:
    """The slow and obvious sum: case by case, region by region, modality by modality."""
    total = torch.zeros(maps.shape[0], *maps.shape[2:])
    for b in range(maps.shape[0]):
        for r in range(maps.shape[2]):
            for m in range(maps.shape[1]):
                if presence[b, m]:
                    total[b, r] += float(weights[b, m, r]) * maps[b, m, r]
    return total


@TRAILING
def test_a_sum_of_any_shape_equals_a_loop_and_never_reads_absent_modalities(trailing):
    maps, weights = torch.randn(B, M, R, *trailing), torch.rand(B, M, R)
    expected = summed_by_hand(maps, weights, SETS)
    maps[~SETS] = math.nan
    assert torch.allclose(weighted_sum(maps, weights, SETS), expected, atol=1e-6)


@TRAILING
@pytest.mark.parametrize(
    "mixer",
    [LogitMixer(), ProbabilityMixer(), StaticMixer(), FeatureMixer(nn.Identity())],
    ids=lambda mixer: type(mixer).__name__,
)
def test_every_mixer_takes_any_shape_and_leaves_nan_of_absent_experts_out(mixer, trailing):
    logits = torch.randn(B, M, R, *trailing)
    scores = torch.randn(B, M, 1 if isinstance(mixer, FeatureMixer) else R)
    clean = mixer(logits, scores, SETS)
    logits[~SETS] = scores[~SETS] = math.nan
    dirty = mixer(logits, scores, SETS)
    assert isinstance(clean, Mixture)
    assert clean.logits.shape == (B, R, *trailing)
    assert clean.weights.shape == (B, M, R)
    assert torch.equal(clean.logits, dirty.logits)
    assert torch.equal(clean.weights, dirty.weights)


@pytest.mark.parametrize("trailing", [(), (5,), (5, 6), (5, 6, 7)], ids=str)
def test_presence_of_any_shape_is_read_off_and_what_is_absent_is_hidden(trailing):
    image = torch.randn(B, M, *trailing)
    image[~SETS] = 0
    assert torch.equal(derive_presence(image), SETS)
    image[~SETS] = math.nan
    hidden = hide_absent(image, SETS)
    assert (hidden[~SETS] == 0).all()
    assert torch.equal(hidden[SETS], image[SETS])


def test_hiding_keeps_the_type_of_whole_numbers_such_as_tokens():
    tokens = torch.ones(B, M, 5, dtype=torch.int64)
    assert hide_absent(tokens, SETS).dtype == torch.int64
    assert hide_absent(tokens, SETS)[1].tolist() == [[1] * 5, [0] * 5]


def test_a_mapping_is_split_shown_and_looked_through_by_the_names_of_the_modalities():
    image = pictures_and_sounds()
    image["sound"][1] = 0
    image = {"sound": image["sound"], "picture": image["picture"]}  # in another order
    parts = of_each_modality(image, NAMES)
    assert parts[0] is image["picture"]
    assert parts[1] is image["sound"]
    assert presence_in(image, NAMES).tolist() == [[True, True], [True, False], [True, True]]
    shown = show_present(poisoned(image, SETS), SETS, NAMES)
    assert {name: values.shape for name, values in shown.items()} == {
        "picture": (B, 1, 8, 9),
        "sound": (B, 5, 3),
    }
    for m, name in enumerate(NAMES):
        assert (shown[name][~SETS[:, m]] == 0).all()
        assert torch.equal(shown[name][SETS[:, m]], image[name][SETS[:, m]])


@pytest.mark.parametrize("names", [("picture",), ("picture", "sound", "text")])
def test_a_mapping_with_other_modalities_is_refused(names):
    image = {name: torch.ones(B, 1) for name in names}
    with pytest.raises(ValueError, match="must have the modalities picture, sound; got picture"):
        of_each_modality(image, NAMES)


@torch.inference_mode()
def test_a_mixture_of_different_shapes_equals_a_loop_over_cases_and_present_experts():
    network, image = classifier(), pictures_and_sounds()
    encoded = network.encode(poisoned(image, SETS), SETS)
    mixture = network.mix(encoded, poisoned(image, SETS), SETS)
    assert mixture.logits.shape == (B, R)
    for b in range(B):
        present = [m for m in range(M) if SETS[b, m]]
        shown = {name: values[b : b + 1].clone() for name, values in image.items()}
        for m, name in enumerate(NAMES):
            if m not in present:
                shown[name].zero_()
        weights = torch.softmax(network.gate(shown)[0, present], dim=0)
        said = [network.experts[NAMES[m]](image[NAMES[m]][b : b + 1])[0] for m in present]
        expected = sum(weight * logits for weight, logits in zip(weights, said, strict=True))
        assert torch.allclose(mixture.logits[b], expected, atol=1e-6)
        assert torch.allclose(mixture.weights[b, present], weights, atol=1e-6)
        assert torch.equal(network(image, SETS)[b], mixture.logits[b])


@torch.inference_mode()
def test_presence_left_out_is_read_off_a_mapping_by_the_networks_order():
    network, image = classifier(), pictures_and_sounds()
    image["sound"][2] = 0
    presence = torch.tensor([[True, True], [True, True], [True, False]])
    assert torch.equal(network(image), network(image, presence))


@pytest.mark.parametrize(
    "mixer", [LogitMixer, ProbabilityMixer, StaticMixer], ids=lambda mixer: mixer.__name__
)
def test_classes_are_trained_from_pairs_with_finite_gradients_where_absent_modalities_are_nan(
    mixer,
):
    network, image = classifier(mixer()), pictures_and_sounds()
    more = torch.tensor([[True, True], [True, False], [True, True]])
    fewer = torch.tensor([[True, False], [True, False], [False, True]])
    target = torch.tensor([0, 3, 1])
    loss = MoFeLoss(class_loss, weight=0.5)
    value = loss(PairInferer()(poisoned(image, more), network, more, fewer), target)
    value.backward()
    of_more, of_fewer = (
        class_loss(network(image, more), target),
        class_loss(network(image, fewer), target),
    )
    expected = (of_more + of_fewer + 0.5 * torch.relu(of_more - of_fewer)).mean()
    assert value.item() == pytest.approx(expected.item(), rel=1e-6)
    for name, parameter in network.named_parameters():
        if not (mixer is StaticMixer and name.startswith("gate.")):
            assert parameter.grad.isfinite().all()
            assert parameter.grad.abs().max() > 0


def test_experts_of_classes_are_trained_alone_on_the_cases_that_have_their_modality():
    network, image = classifier(), pictures_and_sounds()
    presence, target = torch.tensor([[True, False]] * 2 + [[True, True]]), torch.tensor([0, 3, 1])
    pred = ExpertsInferer()(poisoned(image, presence), network, presence)
    value = ExpertsLoss(class_loss)(pred, target)
    picture = class_loss(network.experts["picture"](image["picture"]), target).mean()
    sound = class_loss(network.experts["sound"](image["sound"][2:]), target[2:]).mean()
    assert value.item() == pytest.approx((picture + sound).item(), rel=1e-6)
    value.backward()
    assert all(parameter.grad.isfinite().all() for parameter in network.experts.parameters())


def test_a_mapping_is_moved_and_no_expert_is_run_where_none_is_present():
    image, presence = pictures_and_sounds(), torch.zeros(B, M, dtype=torch.bool)
    batch = {"image": image, "label": torch.tensor([0, 3, 1]), "presence": presence}
    moved, label, _, flags = PrepareBatchFlags(["presence"])(batch, "meta")
    assert {values.device.type for values in moved.values()} == {label.device.type} == {"meta"}
    logits, _ = ExpertsInferer()(image, classifier(), flags["presence"])
    assert logits.shape == (B, M, 0)


def test_the_hinge_of_losses_without_regions_is_taken_per_case():
    more, fewer = torch.tensor([0.9, 0.1]), torch.tensor([0.2, 0.8])
    for per_region in (False, True):
        loss = MoFeLoss(lambda values, _: values, weight=0.1, per_region=per_region)
        assert float(loss((more, fewer), more)) == pytest.approx((1.1 + 0.9 + 0.1 * 0.7) / 2)


@pytest.mark.parametrize("empty", ["skip", "one", "batch"])
@pytest.mark.parametrize("trailing", [(30,), (5, 6)], ids=str)
def test_the_region_loss_of_pixels_is_that_of_the_same_pixels_as_a_volume(trailing, empty):
    logits, target = torch.randn(B, R, 30), (torch.rand(B, R, 30) < 0.3).float()
    flat = DiceBCELoss(empty)(logits.reshape(B, R, *trailing), target.reshape(B, R, *trailing))
    volume = DiceBCELoss(empty)(logits.reshape(B, R, 5, 3, 2), target.reshape(B, R, 5, 3, 2))
    assert torch.allclose(flat, volume, atol=1e-6)


@torch.inference_mode()
def test_a_picture_goes_through_the_same_network_as_a_volume_of_one_plane():
    flat = DMoME({name: nn.Conv2d(1, R, 3, padding=1) for name in NAMES}, Scores(), LogitMixer())
    deep = DMoME(
        {name: nn.Conv3d(1, R, (1, 3, 3), padding=(0, 1, 1)) for name in NAMES},
        flat.gate,
        LogitMixer(),
    )
    for name in NAMES:
        deep.experts[name].weight.copy_(flat.experts[name].weight[:, :, None])
        deep.experts[name].bias.copy_(flat.experts[name].bias)
    image = torch.randn(B, M, 5, 6)
    of_volume = deep(image[:, :, None], SETS)
    assert torch.allclose(flat(image, SETS), of_volume[:, :, 0], atol=1e-6)


class Scores(nn.Module):
    """Scores that depend on what is shown: the mean of each modality, for all regions."""

    def forward(self, image: Tensor) -> Tensor:
        return image.flatten(2).mean(dim=2, keepdim=True).expand(-1, -1, R)


class Joint(nn.Module):
    """Classes from a picture and a sound at once."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(8 * 9 + 5 * 3, R)

    def forward(self, image: dict[str, Tensor]) -> Tensor:
        parts = [image["picture"].flatten(1), image["sound"].flatten(1)]
        return self.linear(torch.cat(parts, dim=1))


@torch.inference_mode()
def test_early_fusion_takes_a_mapping_and_zeroes_what_is_absent():
    task = Named(NAMES)
    network, image = EarlyFusion(Joint(), task), pictures_and_sounds()
    mixture = network.mix(network.encode(image, SETS), poisoned(image, SETS), SETS)
    assert torch.equal(mixture.logits, network.unet(show_present(image, SETS, NAMES)))
    assert mixture.weights[0].tolist() == [[0.5] * R] * M


class Named:
    """What early fusion asks of a task."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self.modality_names = names


@torch.inference_mode()
def test_momke_joins_feature_vectors_of_a_mapping_and_leaves_absent_ones_out():
    experts = {name: nn.Linear(5, 3) for name in NAMES}
    routers = {name: nn.Sequential(nn.Linear(5, M), nn.Unflatten(1, (1, M))) for name in NAMES}
    network = MoMKE(experts, routers, nn.Linear(M * 3, R))
    image = {name: torch.randn(B, 5) for name in NAMES}
    clean, dirty = network(image, SETS), network(poisoned(image, SETS), SETS)
    assert clean.shape == (B, R)
    assert torch.equal(clean, dirty)
