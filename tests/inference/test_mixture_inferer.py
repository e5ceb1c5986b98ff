import math
from dataclasses import replace

import pytest
import torch
from monai.data import MetaTensor
from monai.inferers import sliding_window_inference

from bundle.inference.mixture_inferer import MixtureInferer
from bundle.inference.set_inferer import SetInferer
from bundle.inference.without_one import NOT_COMPUTED, what_is_found
from bundle.mixture.mixing import hide_absent
from bundle.tasks.default import DEFAULT_TASK
from bundle.volume_networks.pooling import pool_inside, unpool
from bundle.volume_networks.windows import WholeWindow
from bundle.weights.calibration import Calibration

MODALITIES = DEFAULT_TASK.modality_names
SETS = pytest.mark.parametrize("flags", DEFAULT_TASK.all_sets(), ids=str)
M, R = 4, 3
WINDOWS = {"roi_size": (64, 64, 64), "overlap": 0.25, "mode": "gaussian"}
SMALL, LARGE = (21, 33, 27), (80, 40, 64)


@pytest.fixture
def inferer():
    return MixtureInferer(**WINDOWS)


def run(inferer, network, image, *args):
    with torch.inference_mode():
        return inferer(image, network, *args)


@SETS
@pytest.mark.parametrize("poison", [math.nan, 1e9])
def test_nothing_in_the_channels_of_absent_modalities_reaches_the_result(
    inferer, tiny_network, flags, poison
):
    presence = torch.tensor([flags])
    image = torch.randn(1, M, *SMALL)
    poisoned = torch.where(presence[:, :, None, None, None], image, poison)
    clean = run(inferer, tiny_network, hide_absent(image, presence), presence)
    dirty = run(inferer, tiny_network, poisoned, presence)
    for name, maps in clean.items():
        assert torch.equal(dirty[name], maps)
        assert torch.isfinite(maps).all()


@SETS
def test_blended_weights_sum_to_one_and_are_zero_for_absent_modalities(
    inferer, tiny_network, flags
):
    presence = torch.tensor([flags])
    weights = run(inferer, tiny_network, torch.randn(1, M, *LARGE), presence)["weights"]
    assert torch.allclose(weights.sum(dim=1), torch.ones(1, R, *LARGE), atol=1e-5)
    assert (weights[~presence] == 0).all()
    assert (weights[presence] > 0).all()


def test_windows_where_a_modality_is_background_do_not_lose_it(inferer, tiny_network):
    image = torch.randn(1, M, *LARGE)
    image[:, MODALITIES.index("t2f"), 16:] = 0  # the second of two windows sees nothing of it
    derived = run(inferer, tiny_network, image)
    assert (derived["weights"][:, MODALITIES.index("t2f")] > 0).all()
    given = run(inferer, tiny_network, image, torch.ones(1, M, dtype=torch.bool))
    assert all(torch.equal(derived[name], given[name]) for name in given)


def test_windows_of_nothing_but_background_are_predicted_like_the_others(inferer, tiny_network):
    image = torch.zeros(1, M, *LARGE)
    image[:, :3, :10] = torch.randn(1, 3, 10, *LARGE[1:])
    output = run(inferer, tiny_network, image)
    assert torch.isfinite(output["logits"]).all()
    assert torch.allclose(output["weights"].sum(dim=1), torch.ones(1, R, *LARGE), atol=1e-5)


@pytest.mark.parametrize("shape", [(64, 64, 64), SMALL], ids=["window", "smaller"])
def test_one_window_is_what_the_network_says_of_the_padded_volume(inferer, tiny_network, shape):
    image = torch.randn(1, M, *shape)
    before = [(64 - size) // 2 for size in shape]
    padded = torch.zeros(1, M, 64, 64, 64)
    inside = tuple(slice(start, start + size) for start, size in zip(before, shape, strict=True))
    padded[(..., *inside)] = image
    expected = tiny_network(padded)[(..., *inside)]
    output = run(inferer, tiny_network, image)
    assert output["logits"].shape == (1, R, *shape)
    assert output["weights"].shape == (1, M, R, *shape)
    assert torch.allclose(output["logits"], expected, atol=1e-5)


@pytest.mark.parametrize("shape", [SMALL, LARGE], ids=["small", "large"])
def test_a_window_as_large_as_the_case_is_what_the_network_says_of_it_rounded_up(
    tiny_network, shape
):
    inferer = MixtureInferer(WholeWindow(step=32, smallest=64), overlap=0.5, mode="gaussian")
    image = torch.randn(1, M, *shape)
    sides = [max(64, math.ceil(size / 32) * 32) for size in shape]
    before = [(side - size) // 2 for side, size in zip(sides, shape, strict=True)]
    inside = [slice(start, start + size) for start, size in zip(before, shape, strict=True)]
    padded = torch.zeros(1, M, *sides)
    padded[(..., *inside)] = image
    presence = torch.ones(1, M, dtype=torch.bool)
    with torch.inference_mode():
        expected = tiny_network.mix(tiny_network.encode(padded, presence), padded, presence)
    output = run(inferer, tiny_network, image)
    assert torch.allclose(output["logits"], expected.logits[(..., *inside)], atol=1e-5)
    constant = expected.weights[..., None, None, None].expand(-1, -1, -1, *shape)
    assert torch.equal(output["weights"], constant)


def test_cases_of_different_sizes_have_windows_of_their_own(tiny_network):
    inferer = MixtureInferer(WholeWindow(step=32, smallest=64), overlap=0.5, mode="gaussian")
    first = run(inferer, tiny_network, image := torch.randn(1, M, *SMALL))
    run(inferer, tiny_network, torch.randn(1, M, *LARGE))
    again = run(inferer, tiny_network, image)
    assert all(torch.equal(first[name], again[name]) for name in first)


def test_logits_and_weights_are_blended_as_monai_blends_any_network(inferer, tiny_network):
    image, presence = torch.randn(1, M, *LARGE), torch.tensor([[True, False, True, True]])

    def logits(window):
        return tiny_network(window, presence)

    def trust(window):
        encoded = tiny_network.encode(window, presence)
        weights = tiny_network.mix(encoded, window, presence).weights
        return weights.flatten(1)[..., None, None, None].expand(-1, -1, 64, 64, 64).clone()

    output = run(inferer, tiny_network, image, presence)
    for part, predict in ((output["logits"], logits), (output["weights"].flatten(1, 2), trust)):
        expected = sliding_window_inference(
            image, (64, 64, 64), 1, predict, overlap=0.25, mode="gaussian"
        )
        assert torch.allclose(part, expected, atol=1e-5)


@pytest.mark.parametrize("outside", ["zero", None])
def test_mean_weights_are_over_what_is_not_outside_and_those_of_the_maps(tiny_network, outside):
    image = torch.randn(1, M, *LARGE)
    image[:, :, 30:] = 0
    image[:, 1, 35, 3, 3] = 1e-9
    task = replace(DEFAULT_TASK, outside=outside)
    output = run(MixtureInferer(**WINDOWS, task=task), tiny_network, image)
    inside = (image != 0).any(dim=1) if outside else torch.ones(1, *LARGE, dtype=torch.bool)
    expected = output["weights"][0][..., inside[0]].mean(dim=2)
    assert torch.allclose(output["mean_weights"][0], expected, atol=1e-6)


def test_of_a_case_of_which_nothing_is_inside_mean_weights_are_over_everything(tiny_network):
    presence = torch.tensor([[True, True, False, False]])
    nothing = torch.zeros(1, M, *SMALL)
    output = run(MixtureInferer(**WINDOWS), tiny_network, nothing, presence)
    assert torch.allclose(output["mean_weights"].sum(dim=1), torch.ones(1, R), atol=1e-6)


def test_weights_of_all_regions_together_are_the_mean_of_those_of_each(tiny_network):
    image = torch.randn(1, M, *LARGE)
    each, together = (
        run(MixtureInferer(**WINDOWS, weights_per_region=flag), tiny_network, image)
        for flag in (True, False)
    )
    expected = each["weights"].mean(dim=2, keepdim=True)
    assert torch.allclose(together["weights"], expected, atol=1e-6)
    assert torch.equal(together["logits"], each["logits"])
    assert torch.equal(together["mean_weights"], each["mean_weights"])


def test_a_batch_is_its_cases_one_by_one_even_with_different_modalities(inferer, tiny_network):
    image = torch.randn(2, M, *SMALL)
    presence = torch.tensor([[True, False, False, True], [False, True, True, True]])
    together = run(inferer, tiny_network, image, presence)
    alone = [run(inferer, tiny_network, image[i : i + 1], presence[i : i + 1]) for i in range(2)]
    for name, maps in together.items():
        assert torch.equal(maps, torch.cat([one[name] for one in alone]))


def test_several_windows_at_once_change_nothing(tiny_network):
    image = torch.randn(1, M, *LARGE)
    one, two = (
        run(MixtureInferer(sw_batch_size=n, **WINDOWS), tiny_network, image) for n in (1, 2)
    )
    assert all(torch.allclose(one[name], two[name], atol=1e-5) for name in one)


def test_metadata_of_the_image_come_out_with_the_prediction(inferer, tiny_network):
    affine = torch.diag(torch.tensor([1.0, 2.0, 3.0, 1.0], dtype=torch.float64))
    output = run(inferer, tiny_network, MetaTensor(torch.randn(1, M, *SMALL), affine=affine))
    assert output.keys() == {"logits", "weights", "mean_weights"}
    for name in ("logits", "weights"):
        assert isinstance(output[name], MetaTensor)
        assert torch.equal(output[name].affine, affine)


def test_a_case_without_any_modality_is_refused(inferer, tiny_network):
    with pytest.raises(ValueError, match="at least one modality"):
        run(inferer, tiny_network, torch.zeros(1, M, *SMALL))


def test_bfloat16_gives_float32_maps_near_those_of_float32(tiny_network):
    image = torch.randn(1, M, *SMALL)
    exact, fast = (
        run(MixtureInferer(amp=amp, **WINDOWS), tiny_network, image) for amp in (False, True)
    )
    for name, maps in fast.items():
        assert maps.dtype == torch.float32
        assert not torch.equal(maps, exact[name])
        assert torch.allclose(maps, exact[name], atol=0.1)
    assert torch.allclose(fast["weights"].sum(dim=1), torch.ones(1, R, *SMALL), atol=1e-5)


@pytest.mark.parametrize(
    "acquired", [[True] * 4, [True, False, True, True]], ids=["all acquired", "t1c not acquired"]
)
def test_predicting_many_sets_at_once_equals_predicting_each(inferer, tiny_network, acquired):
    presence, image = torch.tensor([acquired]), torch.randn(1, M, *LARGE)
    sets = SetInferer(DEFAULT_TASK.all_sets(), own_boxes=False, **WINDOWS)
    many = run(sets, tiny_network, image, presence)
    assert len(many["sets"][0]) == 2 ** sum(acquired) - 1
    for index, flags in enumerate(many["sets"][0]):
        one = run(inferer, tiny_network, image, flags[None])
        assert torch.allclose(many["logits"][:, index], one["logits"], atol=1e-5)


@pytest.mark.parametrize("chosen", [(0, 1, 2, 3), (0, 2, 3), (1, 3), (2,)], ids=str)
@pytest.mark.parametrize(
    "windows", [WINDOWS, {"roi_size": WholeWindow(32, 64)}], ids=["64", "whole"]
)
def test_volumes_without_a_modality_are_those_of_the_case_that_lacks_it(
    tiny_network, chosen, windows
):
    image = torch.zeros(1, M, *LARGE)
    image[:, chosen] = torch.randn(1, len(chosen), *LARGE)
    presence = (image != 0).flatten(2).any(dim=2)
    plain = MixtureInferer(**windows)
    said = run(MixtureInferer(without_one=True, **windows), tiny_network, image, presence)
    assert torch.equal(said["logits"], run(plain, tiny_network, image, presence)["logits"])
    for channel, counts in enumerate(said["counts_without"][0]):
        if channel not in chosen or len(chosen) == 1:
            assert (counts == NOT_COMPUTED).all()
            continue
        fewer = presence.clone()
        fewer[0, channel] = False
        alone = run(plain, tiny_network, image, fewer)["logits"][0]
        labels = DEFAULT_TASK.regions_to_labels((alone > 0).numpy())
        assert counts.tolist() == [int((labels == label).sum()) for label in (1, 2, 3)]
        assert counts.sum() > 0


@pytest.mark.parametrize("shape", [(60, 44, 51), (200, 44, 51)], ids=["one window", "several"])
def test_a_coarse_network_gets_pooled_voxels_and_its_maps_come_back_to_1_mm(tiny_network, shape):
    image = torch.randn(1, M, *shape)
    image[..., :5, :, :] = 0
    presence = torch.tensor([[True, True, False, True]])
    found = run(MixtureInferer(**WINDOWS, spacing=2), tiny_network, image, presence)
    coarse = run(MixtureInferer(**WINDOWS), tiny_network, pool_inside(image, 2), presence)
    for name in ("logits", "weights"):
        maps = coarse[name].flatten(1, -4)
        expected = unpool(maps, 2, shape).reshape(found[name].shape)
        assert torch.allclose(found[name], expected, atol=1e-5)
    assert torch.equal(found["mean_weights"], coarse["mean_weights"])


def test_volumes_without_one_modality_are_counted_at_1_mm(tiny_network):
    image, presence = torch.randn(1, M, 60, 44, 51), torch.tensor([[True, True, True, False]])
    inferer = MixtureInferer(**WINDOWS, spacing=2, without_one=True)
    said = run(inferer, tiny_network, image, presence)
    fewer = torch.tensor([[False, True, True, False]])
    logits = run(MixtureInferer(**WINDOWS, spacing=2), tiny_network, image, fewer)["logits"]
    found = what_is_found(logits[0], DEFAULT_TASK)
    assert torch.equal(said["counts_without"][0, 0], found.counts)
    assert float(said["entropies_without"][0, 0]) == pytest.approx(found.entropy, abs=1e-5)
    assert said["entropies_without"][0, 3].isnan()


def test_a_mirrored_brain_is_predicted_as_the_mirror_image_where_both_are_seen(tiny_network):
    image = torch.randn(1, M, 60, 44, 51)
    inferer = MixtureInferer(**WINDOWS, mirrored=True, contributions=True)
    one, other = (run(inferer, tiny_network, seen) for seen in (image, image.flip(2)))
    plain = run(MixtureInferer(**WINDOWS), tiny_network, image)
    for name in ("logits", "weights", "parts"):
        assert torch.allclose(one[name], other[name].flip(-3), atol=1e-5)
    assert torch.allclose(one["parts"].sum(1), one["logits"], atol=1e-4)
    assert not torch.allclose(one["logits"], plain["logits"], atol=1e-3)


def test_all_sets_are_seen_mirrored_too(tiny_network):
    image = torch.randn(1, M, 40, 44, 51)
    flags = torch.ones(1, M, dtype=torch.bool)
    alone = run(MixtureInferer(**WINDOWS, mirrored=True), tiny_network, image, flags)
    sets = SetInferer([[True] * M], own_boxes=False, **WINDOWS, mirrored=True)
    assert torch.allclose(
        run(sets, tiny_network, image)["logits"][0, 0], alone["logits"][0], atol=1e-5
    )


def test_where_no_expert_finds_anything_no_set_does(tiny_network):
    for expert in tiny_network.experts.values():
        torch.nn.init.constant_(expert.bias, -100.0)
    image = torch.randn(1, M, 40, 44, 51)
    said = run(MixtureInferer(**WINDOWS, without_one=True), tiny_network, image)
    assert (said["counts_without"] == 0).all()
    assert said["entropies_without"].isnan().all()


def test_doubts_of_what_is_found_without_a_modality_are_calibrated(tiny_network):
    image = torch.randn(1, M, 40, 44, 51)
    of_regions = {region: {"3": 4.0} for region in DEFAULT_TASK.region_names}
    cool = Calibration("", "brain_tumours", 8, of_regions, {}, 0.8)
    plain, cooled = (
        run(MixtureInferer(**WINDOWS, without_one=True, calibration=one), tiny_network, image)
        for one in (None, cool)
    )
    assert torch.equal(plain["counts_without"], cooled["counts_without"])
    assert (cooled["entropies_without"] > plain["entropies_without"]).all()
