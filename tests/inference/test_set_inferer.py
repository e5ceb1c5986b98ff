import pytest
import torch
from monai.transforms import CropForeground

from bundle.cases.preparation import is_not_zero
from bundle.inference.maps import ActivateMixtured
from bundle.inference.mixture_inferer import MixtureInferer
from bundle.inference.set_inferer import SetInferer
from bundle.mixture.mixing import hide_absent
from bundle.tasks.default import DEFAULT_TASK
from bundle.volume_networks.windows import WholeWindow

MODALITIES, all_sets = DEFAULT_TASK.modality_names, DEFAULT_TASK.all_sets
M, R = 4, 3
WINDOWS = {"roi_size": (64, 64, 64), "overlap": 0.25, "mode": "gaussian"}
COARSE = {"roi_size": (64, 64, 64), "overlap": 0.25, "mode": "gaussian", "spacing": 2}
WHOLE = {"roi_size": WholeWindow(step=32, smallest=64), "overlap": 0.25, "mode": "gaussian"}
T1N, T1C, T2W, T2F = range(M)


def case(shape=(70, 40, 50)) -> torch.Tensor:
    """One case whose t2f shows less of the head than the other modalities."""
    image = torch.randn(1, M, *shape)
    image[:, T2F, :3] = 0
    image[:, T2F, :, 35:] = 0
    return image


def alone(network, image, flags, windows=WINDOWS):
    """Predict as ``segment`` does from the files of one set: (R, ...), box, mean weights (M, R)."""
    chosen = hide_absent(image, torch.tensor([flags]))
    crop = CropForeground(select_fn=is_not_zero, allow_smaller=True)
    start, stop = crop.compute_bounding_box(chosen[0])
    box = tuple(slice(int(a), int(b)) for a, b in zip(start, stop, strict=True))
    part = chosen[(..., *box)]
    output = MixtureInferer(**windows)(part, network, torch.tensor([flags]))
    pred = {name: maps[0] for name, maps in output.items()}
    case = ActivateMixtured()({"pred": pred, "image": part[0]})
    return pred["logits"], box, case["mean_weights"]


@pytest.mark.slow
@pytest.mark.parametrize("windows", [WINDOWS, WHOLE, COARSE], ids=["fixed", "whole", "coarse"])
@torch.inference_mode()
def test_every_set_gets_what_it_gets_alone_also_where_its_brain_is_smaller(tiny_network, windows):
    image = case()
    output = SetInferer(all_sets(), **windows)(image, tiny_network)
    assert output["sets"][0].tolist() == all_sets()
    for index, flags in enumerate(all_sets()):
        expected, box, weights = alone(tiny_network, image, flags, windows)
        got = output["logits"][0, index]
        assert torch.allclose(got[(slice(None), *box)], expected, atol=1e-5)
        assert torch.isinf(got).sum() == got.numel() - expected.numel()
        assert torch.allclose(output["weights"][0, index], weights, atol=1e-5)


@torch.inference_mode()
def test_a_case_without_a_modality_is_predicted_from_the_sets_that_it_has(tiny_network):
    image = case((20, 30, 25))
    image[:, T1C] = torch.nan
    output = SetInferer(all_sets(), **WINDOWS)(
        image, tiny_network, torch.tensor([[True, False, True, True]])
    )
    assert output["sets"].shape == (1, 7, M)
    assert not output["sets"][..., T1C].any()
    assert not output["logits"].isnan().any()
    assert (output["weights"][:, :, T1C] == 0).all()
    assert torch.allclose(output["weights"].sum(dim=2), torch.ones(1, 7, R))


@torch.inference_mode()
def test_each_expert_sees_each_window_once_however_many_sets_there_are(tiny_network):
    image = torch.randn(1, M, 80, 40, 64)
    seen = dict.fromkeys(MODALITIES, 0)

    def count(name):
        def hook(*_):
            seen[name] += 1

        return hook

    for name, expert in tiny_network.experts.items():
        expert.register_forward_hook(count(name))
    SetInferer(all_sets(), **WINDOWS)(image, tiny_network)
    assert seen == dict.fromkeys(MODALITIES, 2)


@torch.inference_mode()
def test_several_windows_at_once_change_nothing(tiny_network):
    image = torch.randn(1, M, 80, 40, 64)
    sets = [[True, False, False, True], [True] * M]
    one, two = (SetInferer(sets, sw_batch_size=n, **WINDOWS)(image, tiny_network) for n in (1, 2))
    for key in ("logits", "weights"):
        assert torch.allclose(one[key], two[key], atol=1e-5)


@torch.inference_mode()
def test_sets_that_share_the_whole_image_are_predicted_outside_of_their_own_boxes_too(tiny_network):
    image = case()
    output = SetInferer([[False, False, False, True]], own_boxes=False, **WINDOWS)(
        image, tiny_network
    )
    alone = MixtureInferer(**WINDOWS)(image, tiny_network, output["sets"][0])
    assert torch.allclose(output["logits"][0], alone["logits"], atol=1e-5)
    assert output["logits"].isfinite().all()


def test_a_case_with_none_of_the_sets_has_no_predictions(tiny_network):
    presence = torch.tensor([[True, False, False, False]])
    output = SetInferer([[False, True, False, False]], **WINDOWS)(
        torch.randn(1, M, 5, 6, 7), tiny_network, presence
    )
    assert output["sets"].shape == (1, 0, M)
    assert output["logits"].shape == (1, 0, 0, 5, 6, 7)
    assert output["weights"].shape == (1, 0, M, 0)


def test_a_batch_of_cases_is_refused(tiny_network):
    with pytest.raises(ValueError, match="one case; got 2"):
        SetInferer(all_sets(), **WINDOWS)(torch.zeros(2, M, 5, 6, 7), tiny_network)
