import math

import pytest
import torch
from torch import nn

from bundle.configuration import load_config
from bundle.tasks.default import DEFAULT_TASK

MODALITIES = DEFAULT_TASK.modality_names

SETS = pytest.mark.parametrize("flags", DEFAULT_TASK.all_sets(), ids=str)


@pytest.fixture(scope="module")
def shipped_network():
    return load_config("inference.yaml", {}).get_parsed_content("network_def").eval()


@SETS
@pytest.mark.parametrize("poison", [math.nan, 1e9])
def test_the_voxels_of_an_absent_modality_change_nothing(tiny_network, flags, poison):
    presence, image = torch.tensor([flags]), torch.randn(1, 4, 64, 64, 64)
    absent = ~presence[:, :, None, None, None]
    poisoned = torch.where(absent, poison, image)
    with torch.inference_mode():
        assert torch.equal(tiny_network(image, presence), tiny_network(poisoned, presence))


@SETS
def test_the_prediction_equals_a_loop_over_the_present_experts(tiny_network, flags):
    presence, image = torch.tensor([flags]), torch.randn(1, 4, 64, 64, 64)
    with torch.inference_mode():
        shown = image * presence[:, :, None, None, None]
        present = [m for m in range(4) if flags[m]]
        weights = torch.softmax(tiny_network.gate(shown)[:, present], dim=1)
        expected = sum(
            weights[0, i, :, None, None, None]
            * tiny_network.experts[MODALITIES[m]](image[:, m : m + 1])[0]
            for i, m in enumerate(present)
        )
        assert torch.allclose(tiny_network(image, presence)[0], expected, atol=1e-5)


@SETS
def test_logits_of_all_experts_serve_every_set(tiny_network, flags):
    presence, image = torch.tensor([flags]), torch.randn(1, 4, 64, 64, 64)
    with torch.inference_mode():
        everything = tiny_network.encode(image, torch.ones(1, 4, dtype=torch.bool))
        assert torch.allclose(
            tiny_network.mix(everything, image, presence).logits,
            tiny_network(image, presence),
            atol=1e-6,
        )


def test_cases_of_a_batch_may_have_different_modalities(tiny_network):
    presence, image = (
        torch.tensor([[True, False, True, False], [False, True, True, True]]),
        torch.randn(2, 4, 64, 64, 64),
    )
    with torch.inference_mode():
        together = tiny_network(image, presence)
        alone = torch.cat([tiny_network(image[i : i + 1], presence[i : i + 1]) for i in range(2)])
    assert torch.allclose(together, alone, atol=1e-5)


def test_absent_experts_are_not_run(tiny_network):
    class Refusing(nn.Module):
        def forward(self, _):
            raise AssertionError("an absent expert was run")

    tiny_network.experts["t1c"] = Refusing()
    tiny_network(torch.randn(1, 4, 64, 64, 64), torch.tensor([[True, False, True, True]]))


def test_an_absent_modality_that_is_nan_leaves_finite_gradients(tiny_network):
    presence, image = (
        torch.tensor([[True, False, True, True], [True, True, True, True]]),
        torch.randn(2, 4, 64, 64, 64),
    )
    image[0, 1] = math.nan
    tiny_network(image, presence).sum().backward()
    assert all(parameter.grad.isfinite().all() for parameter in tiny_network.parameters())


def test_presence_left_out_is_read_off_the_image(tiny_network):
    image = torch.randn(1, 4, 64, 64, 64)
    image[:, 2] = 0
    with torch.inference_mode():
        assert torch.equal(
            tiny_network(image), tiny_network(image, torch.tensor([[True, True, False, True]]))
        )


def test_no_modality_at_all_is_refused(tiny_network):
    with pytest.raises(ValueError, match="at least one modality"):
        tiny_network(torch.zeros(1, 4, 64, 64, 64))


def test_the_shipped_network_has_the_papers_size_and_channel_order(shipped_network):
    assert shipped_network.modalities == MODALITIES
    assert (
        sum(parameter.numel() for parameter in shipped_network.parameters())
        == 4 * 1_950_963 + 5_264
    )


@SETS
def test_a_window_of_pure_background_is_finite_for_every_set(tiny_network, flags):
    with torch.inference_mode():
        assert tiny_network(torch.zeros(1, 4, 64, 64, 64), torch.tensor([flags])).isfinite().all()


@pytest.mark.parametrize(
    "size", [64, *(pytest.param(size, marks=pytest.mark.slow) for size in (96, 128, 160))]
)
@pytest.mark.parametrize("image", [torch.zeros, torch.randn], ids=["background", "noise"])
def test_the_shipped_network_takes_windows_of_several_sizes(shipped_network, size, image):
    with torch.inference_mode():
        logits = shipped_network(
            image(1, 4, size, size, size), torch.tensor([[False, False, False, True]])
        )
    assert logits.shape == (1, 3, size, size, size)
    assert logits.isfinite().all()
