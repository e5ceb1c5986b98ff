import pytest
import torch
from monai.transforms import CropForeground

from bundle.cases.preparation import is_not_zero
from bundle.inference.maps import ActivateMixtured
from bundle.inference.mixture_inferer import MixtureInferer
from bundle.inference.set_inferer import SetInferer
from bundle.mixture.mixing import hide_absent
from bundle.tasks.modalities import MODALITIES, all_sets

M, R = 4, 3
WINDOWS = {"roi_size": (64, 64, 64), "overlap": 0.25, "mode": "gaussian"}
T1N, T1C, T2W, T2F = range(M)


def case(shape=(70, 40, 50)) -> torch.Tensor:
    """One case whose t2f shows less of the head than the other modalities."""
    image = torch.randn(1, M, *shape)
    image[:, T2F, :3] = 0
    image[:, T2F, :, 35:] = 0
    return image


def alone(network, image, flags):
    """Predict as ``segment`` does from the files of one set: (R, ...), box, mean weights (M, R)."""
    chosen = hide_absent(image, torch.tensor([flags]))
    crop = CropForeground(select_fn=is_not_zero, allow_smaller=True)
    start, stop = crop.compute_bounding_box(chosen[0])
    box = tuple(slice(int(a), int(b)) for a, b in zip(start, stop, strict=True))
    part = chosen[(..., *box)]
    pred = MixtureInferer(**WINDOWS)(part, network, torch.tensor([flags]))[0]
    return pred[:R], box, ActivateMixtured()({"pred": pred, "image": part[0]})["mean_weights"]


@torch.inference_mode()
def test_every_set_gets_what_it_gets_alone_also_where_its_brain_is_smaller(tiny_network):
    image = case()
    output = SetInferer(all_sets(), **WINDOWS)(image, tiny_network)
    assert output["sets"][0].tolist() == all_sets()
    for index, flags in enumerate(all_sets()):
        expected, box, weights = alone(tiny_network, image, flags)
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


def test_a_batch_of_cases_is_refused(tiny_network):
    with pytest.raises(ValueError, match="one case; got 2"):
        SetInferer(all_sets(), **WINDOWS)(torch.zeros(2, M, 5, 6, 7), tiny_network)
